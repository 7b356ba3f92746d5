import type { ManagementListenerName, Operator } from './operators/operator.ts';

/** A request to the management API or the console, as the process that owns the ports passes it on. */
export interface ManagedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly origin: RequestOrigin;
}

/** The facts about a request that the listener has proved. */
export interface RequestOrigin {
  readonly listener: ManagementListenerName;
  /** Where browsers find the listener, without a slash at its end. */
  readonly url: string;
  readonly address: string;
  /** The caller of the configuration that the certificate names. */
  readonly operator?: Operator | undefined;
}

export interface ManagedAnswer {
  readonly status: number;
  /** Each field with one value or several. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Uint8Array;
}

/** Answers requests; in the process that serves, or by a message to one that does. */
export type ManagementEndpoint = (request: ManagedRequest) => Promise<ManagedAnswer>;
