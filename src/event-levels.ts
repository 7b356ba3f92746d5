/** A rule of a decision: where it is written, the fact that it was applied to, and the code by which it refused. */
interface DecidedRule {
  readonly rule: string;
  readonly clause: string;
  readonly found?: string;
  readonly refused?: string;
}

/**
 * The facts that an event may carry. There is no field for a token, a key, a cookie, a request body or a full
 * certificate, so none of these can reach a log.
 */
export interface EventFields {
  readonly requestId?: string;
  readonly interactionId?: string;
  /** The peer of the connection; absent where that is a trusted proxy. */
  readonly address?: string;
  readonly listener?: string;
  readonly method?: string;
  readonly route?: string;
  readonly status?: number;
  readonly clientId?: string;
  readonly authorizationNumber?: string;
  readonly scope?: string;
  readonly grantType?: string;
  readonly consentId?: string;
  /** A customer, by a hash under a key of `storage.secretFile`. */
  readonly psu?: string;
  /** The name of a caller of the bank API; of the command, user and host. */
  readonly caller?: string;
  /** The name of an operator of the management API. */
  readonly operator?: string;
  /** The roles of the operator. */
  readonly role?: string;
  /** The object of an operator's change, such as a client. */
  readonly target?: string;
  /** The reason that an operator stated. */
  readonly reason?: string;
  /** First 16 hexadecimal digits of SHA-256 over the certificate: enough to find it, not to bind to it. */
  readonly certificate?: string;
  /** Hexadecimal SHA-256 of a certificate that is kept beside the audit record. */
  readonly fingerprint?: string;
  readonly certificateSerial?: string;
  readonly issuer?: string;
  readonly url?: string;
  readonly file?: string;
  readonly count?: number;
  readonly seconds?: number;
  /** The name of another event. */
  readonly kind?: string;
  /** An instant, as RFC 3339 writes it. */
  readonly since?: string;
  readonly worker?: number;
  readonly outcome?: string;
  /** Names of fields of a configuration. */
  readonly settings?: readonly string[];
  readonly problems?: readonly {
    readonly path: string;
    readonly message: string;
    readonly origin?: string;
  }[];
  /** The rules of a decision about a certificate, in the order in which they were applied. */
  readonly steps?: readonly DecidedRule[];
  /** A refusal or fault: the log line shows its code, its details and the chain of its causes. */
  readonly error?: unknown;
}

type FieldName = keyof EventFields;

/** error = someone must act · warn = refused or degraded · info = lifecycle and grants · debug = counted only. */
export type EventLevel = 'error' | 'warn' | 'info' | 'debug';

export interface EventCounter {
  readonly name: string;
  readonly labels: readonly FieldName[];
  /** The field by which the counter goes up. Default: by one. */
  readonly amount?: 'count';
}

export interface EventDefinition {
  readonly level: EventLevel;
  readonly meaning: string;
  readonly fields: readonly FieldName[];
  /** The counter that goes up with each event. Its labels are fields; `error` counts by its code. */
  readonly counter?: EventCounter;
  /** The histogram that takes `seconds` of each event. Its labels are fields. */
  readonly timer?: { readonly name: string; readonly labels: readonly FieldName[] };
  /** Whether the event belongs into the audit record. Default false. */
  readonly isAudited?: boolean;
  /**
   * Whether the event records a decision that stands. Its line is never sampled, and is the last to be dropped while
   * the log cannot be written. Default false.
   */
  readonly isAlwaysWritten?: boolean;
}

type Uses = Pick<EventDefinition, 'counter' | 'timer' | 'isAudited' | 'isAlwaysWritten'>;

const at =
  (level: EventLevel) =>
  <Field extends FieldName>(meaning: string, fields: readonly Field[] = [], uses: Uses = {}) =>
    Object.freeze({ level, meaning, fields, ...uses });
export const error = at('error');
export const warn = at('warn');
export const info = at('info');
export const debug = at('debug');

export const counted = (name: string, ...labels: readonly FieldName[]) => ({ counter: { name, labels } });
/** Counted by the field `count`. */
export const countedLines = (name: string) => ({ counter: { name, labels: [], amount: 'count' as const } });
/** Timed by the field `seconds`. */
export const timed = (name: string, ...labels: readonly FieldName[]) => ({ timer: { name, labels } });
export const audited = { isAudited: true };
/** Audited, and a decision that stands. */
export const recorded = { isAudited: true, isAlwaysWritten: true };
