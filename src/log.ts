import { type DestinationStream, pino } from 'pino';
import { isRefusal } from './errors.ts';
import {
  type EventDefinition,
  type EventFields,
  type EventLevel,
  type EventSink,
  type Log,
  logTo,
} from './events.ts';

/** Longest text of one field: a name in a certificate may hold 64 kB. */
const MAX_TEXT = 512;
/** Longest chain of causes in a line. */
const MAX_CAUSES = 4;

/** Lines are written together: one by one they cost a tenth of a token. A killed process loses the last lines. */
const GATHERED_BYTES = 8192;
const GATHERED_MILLISECONDS = 100;

export interface LogOptions {
  /** Default: standard output. */
  readonly destination?: DestinationStream;
  /** The least level that is written. Default `info`. */
  readonly level?: EventLevel;
  /** Further uses of events, such as counters. */
  readonly sinks?: readonly EventSink[];
}

/** A log that writes one JSON line per event, with the fields of the event's definition and no other. */
export function createLog({ destination, level = 'info', sinks = [] }: LogOptions = {}): Log {
  const lines = pino(
    {
      base: null,
      level,
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ??
      pino.destination({
        fd: 1,
        sync: false,
        minLength: GATHERED_BYTES,
        periodicFlush: GATHERED_MILLISECONDS,
      }),
  );
  return logTo(
    (name, definition, fields) => {
      if (!lines.isLevelEnabled(definition.level)) return;
      lines[definition.level](lineOf(definition, fields), name);
    },
    ...sinks,
  );
}

function lineOf({ fields: names }: EventDefinition, fields: EventFields): Record<string, unknown> {
  const line: Record<string, unknown> = {};
  for (const name of names) {
    if (name !== 'error' && fields[name] !== undefined) line[name] = bounded(fields[name]);
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
