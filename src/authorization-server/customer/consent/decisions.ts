import type { AskedContent } from './asked-access.ts';
import type { Clock } from '../../../clock.ts';
import { identifierHash, PayloadEncryption } from '../../../storage/record-protection.ts';
import type { Store } from '../../../storage/store.ts';

/** The customer's answer to a request: the access that was allowed, or the error with which the request ended. */
export type Decision = AllowedAccess | EndedRequest;

export interface AllowedAccess {
  readonly answer: 'allowed';
  /** Of the grant that is made from the decision. */
  readonly grantId: string;
  readonly accountIds: readonly string[];
  /** The access that the customer saw. */
  readonly asked: AskedContent;
  /** For the customer's eyes. */
  readonly service: string;
  readonly until: string;
  /** How the customer proved his identity, where no page of ours asked. */
  readonly login?:
    | { readonly amr: readonly string[]; readonly acr?: string | undefined; readonly authTime: number }
    | undefined;
}

export interface EndedRequest {
  readonly answer: 'ended';
  readonly service: string;
  /** For the TPP (RFC 6749 §4.1.2.1). */
  readonly error: string;
  readonly description: string;
  /** The consent that waited for the customer, and is rejected. */
  readonly rejects?: string | undefined;
}

export interface DecisionsOptions {
  readonly store: Pick<Store, 'find' | 'putIfAbsent'>;
  readonly clock: Clock;
  readonly secret: Buffer;
}

const KIND = 'CustomerDecision';
/** No shorter than the cookie that proves the browser of an interaction. */
const SECONDS = 30 * 60;

/** Decisions of customers, of which each interaction, and each approval on a device, has one: the first stays. */
export class Decisions {
  readonly #options: DecisionsOptions;
  readonly #hash: (kind: string, id: string) => string;
  readonly #encryption: PayloadEncryption;

  constructor(options: DecisionsOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
    this.#encryption = new PayloadEncryption(options.secret);
  }

  /** Stores a decision, and returns the one that stays: `isFirst` for exactly one of any number of callers. */
  async settle(
    requestId: string,
    decision: Decision,
  ): Promise<{ readonly decision: Decision; readonly isFirst: boolean }> {
    const { store, clock } = this.#options;
    const id = this.#hash(KIND, requestId);
    const value = this.#encryption.encrypt(decision, boundTo(id));
    const expiresAt = new Date(clock.now().getTime() + SECONDS * 1000);
    if (await store.putIfAbsent(KIND, id, { value, expiresAt })) return { decision, isFirst: true };
    return { decision: (await this.find(requestId)) ?? decision, isFirst: false };
  }

  async find(requestId: string): Promise<Decision | undefined> {
    const id = this.#hash(KIND, requestId);
    const record = await this.#options.store.find(KIND, id);
    return record === undefined
      ? undefined
      : (this.#encryption.decrypt(record.value, boundTo(id)) as Decision);
  }
}

function boundTo(id: string): string {
  return `${KIND}\0${id}`;
}
