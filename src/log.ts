import { type DestinationStream, pino } from 'pino';
import { millisecondsOf, systemClock } from './clock.ts';
import { isRefusal } from './errors.ts';

/**
 * What a log line may say. Anything that is not here cannot be logged: there is no field for a token, a key,
 * a cookie, a request body or a full certificate.
 */
export interface LogFields {
  readonly requestId?: string;
  readonly interactionId?: string;
  readonly listener?: string;
  readonly method?: string;
  readonly route?: string;
  readonly status?: number;
  readonly clientId?: string;
  readonly authorizationNumber?: string;
  readonly nca?: string;
  readonly roles?: readonly string[];
  readonly scope?: string;
  readonly grantType?: string;
  readonly consentId?: string;
  /** First 16 hexadecimal digits of SHA-256 over the certificate: enough to find it, not to bind to it. */
  readonly certificate?: string;
  readonly certificateSerial?: string;
  readonly issuer?: string;
  readonly url?: string;
  readonly file?: string;
  readonly count?: number;
  readonly seconds?: number;
  readonly worker?: number;
  readonly problems?: readonly { readonly path: string; readonly message: string }[];
  /** A refusal or fault: its code, details and chain of causes are logged. */
  readonly error?: unknown;
}

/** One JSON line per event. `event` is a stable dotted name, such as `client.auth.refused`. */
export interface Log {
  /** Someone must act. */
  error(event: string, fields?: LogFields): void;
  /** Refused or degraded. */
  warn(event: string, fields?: LogFields): void;
  /** Lifecycle and grants. */
  info(event: string, fields?: LogFields): void;
}

const FIELDS: ReadonlySet<string> = new Set([
  'requestId',
  'interactionId',
  'listener',
  'method',
  'route',
  'status',
  'clientId',
  'authorizationNumber',
  'nca',
  'roles',
  'scope',
  'grantType',
  'consentId',
  'certificate',
  'certificateSerial',
  'issuer',
  'url',
  'file',
  'count',
  'seconds',
  'worker',
  'problems',
] satisfies (keyof LogFields)[]);

/** Longest text of one field: a name in a certificate may hold 64 kB. */
const MAX_TEXT = 512;
/** Deepest chain of causes that is worth a line. */
const MAX_CAUSES = 4;

/** Lines are written together: one by one they cost a tenth of a token. A killed process loses the last of them. */
const GATHERED_BYTES = 8192;
const GATHERED_MILLISECONDS = 100;

/** A log that writes JSON lines to `destination` (default: standard output). */
export function createLog(
  options: { readonly destination?: DestinationStream; readonly level?: string } = {},
): Log {
  const sink = pino(
    {
      base: null,
      level: options.level ?? 'info',
      messageKey: 'event',
      timestamp: isoTime(),
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination ??
      pino.destination({
        fd: 1,
        sync: false,
        minLength: GATHERED_BYTES,
        periodicFlush: GATHERED_MILLISECONDS,
      }),
  );
  return {
    error: (event, fields) => sink.error(allowed(fields), event),
    warn: (event, fields) => sink.warn(allowed(fields), event),
    info: (event, fields) => sink.info(allowed(fields), event),
  };
}

/** The member of a line that tells its time. Lines of one millisecond share it. */
function isoTime(): () => string {
  const now = millisecondsOf(systemClock);
  let last = 0;
  let member = '';
  return () => {
    const at = now();
    if (at !== last) {
      last = at;
      member = `,"time":"${new Date(at).toISOString()}"`;
    }
    return member;
  };
}

/** A log that keeps nothing. */
export const silentLog: Log = Object.freeze({ error() {}, warn() {}, info() {} });

function allowed(fields: LogFields = {}): Record<string, unknown> {
  const line: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && FIELDS.has(name)) line[name] = bounded(value);
  }
  if (fields.error !== undefined) Object.assign(line, described(fields.error, MAX_CAUSES));
  return line;
}

function described(error: unknown, depth: number): Record<string, unknown> {
  const cause =
    error instanceof Error && error.cause !== undefined && depth > 0
      ? { cause: described(error.cause, depth - 1) }
      : {};
  if (isRefusal(error)) return { code: error.code, details: bounded(error.details), ...cause };
  if (error instanceof Error) {
    return { code: 'ERR_UNEXPECTED', problem: bounded(`${error.name}: ${error.message}`), ...cause };
  }
  return { code: 'ERR_UNEXPECTED', problem: typeof error };
}

function bounded(value: unknown): unknown {
  if (typeof value === 'string') return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
  if (Array.isArray(value)) return value.slice(0, 50).map(bounded);
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, bounded(inner)]));
  }
  return value;
}
