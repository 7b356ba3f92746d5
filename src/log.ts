import { type DestinationStream, pino } from 'pino';
import { systemClock } from './clock.ts';
import { isRefusal } from './errors.ts';
import {
  type EventDefinition,
  type EventFields,
  type EventLevel,
  type EventName,
  EVENTS,
  type EventSink,
  type Log,
  logTo,
} from './events.ts';
import { EventSampling } from './logging/event-sampling.ts';
import { tracing } from './tracing.ts';
import { type Gap, LineOutput } from './logging/line-output.ts';
import { LogLevel } from './logging/log-level.ts';

/** Longest text of one field: a name in a certificate may hold 64 kB. */
const MAX_TEXT = 512;
/** Longest chain of causes in a line. */
const MAX_CAUSES = 4;

/** Text in which JSON escapes nothing, and each character is one octet. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** Longest text of all fields of a line, in bytes as written: strangers fill whole lists. */
const MAX_LINE_TEXT = 4096;

export interface LogOptions {
  /** Default: standard output, or `file`. */
  readonly destination?: DestinationStream;
  /** A file to append to; made with mode 0600. */
  readonly file?: string;
  /** The least level that is written. Default `info`. */
  readonly level?: EventLevel | LogLevel;
  /** Further uses of events, such as counters. */
  readonly sinks?: readonly EventSink[];
}

/** One for the process, whose lines wait and are dropped together. */
let standardOutput: LineOutput | undefined;

/**
 * A log that writes one JSON line per event, with the fields of the event's definition and no other. Lines above the
 * rate of their source are counted instead (`log.sampled`), as are lines for which there is no room (`log.dropped`).
 * Sinks get every event.
 */
export function createLog({ destination, file, level = 'info', sinks = [] }: LogOptions = {}): Log {
  const onGap = ({ count, since }: Gap) => {
    const gap = { count, since: since.toISOString() };
    write('log.dropped', gap);
    for (const sink of sinks) sink('log.dropped', EVENTS['log.dropped'], gap);
  };
  const least = level instanceof LogLevel ? level : new LogLevel(level);
  const output = destination === undefined ? openOutput(file, onGap) : undefined;
  const lines = pino(
    {
      base: null,
      level: least.current,
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? output,
  );
  const isWritten = ({ level: own }: EventDefinition) => {
    if (lines.level !== least.current) lines.level = least.current;
    return lines.isLevelEnabled(own);
  };
  const write = (name: EventName, fields: EventFields) => {
    const definition: EventDefinition = EVENTS[name];
    if (!isWritten(definition)) return;
    const traceId = tracing().traceId();
    const line = lineOf(definition, fields);
    lines[definition.level](traceId === undefined ? line : { ...line, trace_id: traceId }, name);
  };
  const sampling = new EventSampling((kind, count) => write('log.sampled', { kind, count }));
  return logTo(
    (name, definition, fields) => {
      if (!isWritten(definition)) return;
      if (!sampling.admits(name, definition, fields)) return;
      if (output?.hasRoom(definition.isAlwaysWritten === true) !== false) write(name, fields);
    },
    ...sinks,
  );
}

function openOutput(file: string | undefined, onGap: (gap: Gap) => void): LineOutput {
  const now = () => systemClock.now();
  if (file !== undefined) return new LineOutput({ target: { file }, now, onGap });
  standardOutput ??= new LineOutput({ target: 'stdout', now, onGap });
  return standardOutput;
}

/** The line of the latest event: the log and the audit record ask for it one after the other. */
let latest:
  | { readonly definition: EventDefinition; readonly fields: EventFields; readonly line: Line }
  | undefined;

type Line = Readonly<Record<string, unknown>>;

/** The members of a line: the fields of the definition and no other, each within its bound. */
export function lineOf(definition: EventDefinition, fields: EventFields): Line {
  if (latest?.definition !== definition || latest.fields !== fields) {
    latest = { definition, fields, line: boundedLine(definition, fields) };
  }
  return latest.line;
}

function boundedLine({ fields: names }: EventDefinition, fields: EventFields): Record<string, unknown> {
  const line: Record<string, unknown> = {};
  const room = { left: MAX_LINE_TEXT };
  for (const name of names) {
    if (name !== 'error' && fields[name] !== undefined) line[name] = bounded(fields[name], room);
  }
  if (fields.error !== undefined) Object.assign(line, described(fields.error, MAX_CAUSES, room));
  return line;
}

/** The text that a line may still hold. */
interface Room {
  left: number;
}

function described(error: unknown, depth: number, room: Room): Record<string, unknown> {
  const own = isRefusal(error)
    ? { code: error.code, details: bounded(error.details, room) }
    : {
        code: 'ERR_UNEXPECTED',
        problem: error instanceof Error ? bounded(`${error.name}: ${error.message}`, room) : typeof error,
      };
  if (!(error instanceof Error) || error.cause === undefined || depth === 0) return own;
  return { ...own, cause: described(error.cause, depth - 1, room) };
}

function bounded(value: unknown, room: Room): unknown {
  if (typeof value === 'string') return boundedText(value, room);
  if (Array.isArray(value)) {
    return value.slice(0, 50).flatMap((one) => (room.left > 0 ? [bounded(one, room)] : []));
  }
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, bounded(inner, room)]));
  }
  return value;
}

function boundedText(text: string, room: Room): string {
  const most = Math.max(Math.min(MAX_TEXT, room.left), 0);
  const kept = text.length > most ? `${text.slice(0, most)}…` : text;
  room.left -= PLAIN.test(kept) ? kept.length + 2 : Buffer.byteLength(JSON.stringify(kept));
  return kept;
}
