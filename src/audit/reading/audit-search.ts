import { parseLine } from '../line/audit-line.ts';
import type { AuditSegment, AuditSource } from './audit-source.ts';
import { visitLines } from './lines-of.ts';
import type { TimeRange } from './time-range.ts';

export interface AuditQuery {
  /** The authorization number of a TPP. */
  readonly tpp?: string | undefined;
  readonly client?: string | undefined;
  /** The name of an event, or the beginning of names up to a dot: `token.` */
  readonly event?: string | undefined;
  readonly from: Date;
  readonly to: Date;
  readonly limit: number;
  /** `next` of the page before. */
  readonly after?: string | undefined;
}

/** A line of the record. */
export interface AuditEntry {
  readonly at: string;
  readonly event: string;
  readonly process: string;
  readonly sequence: number;
  /** Every member of the line. */
  readonly members: Readonly<Record<string, unknown>>;
}

export interface AuditPage {
  /** The newest first. */
  readonly entries: readonly AuditEntry[];
  /** Absent after the last page. */
  readonly next?: string;
  /** Whether everything was read; else older files were left out, and a shorter time finds their lines. */
  readonly isComplete: boolean;
}

/** Octets that one search reads: a few seconds of one core. */
const MAX_BYTES = 512 * 1024 * 1024;
const MAX_LIMIT = 1000;
/** The newest part of a time that is searched first. */
const FIRST_MILLISECONDS = 60_000;
const GROWTH = 4;

/** Finds lines of the record of all processes. */
export class AuditSearch {
  readonly #source: Pick<AuditSource, 'segments'>;

  constructor(source: Pick<AuditSource, 'segments'>) {
    this.#source = source;
  }

  /** @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE */
  async find(query: AuditQuery): Promise<AuditPage> {
    const limit = Math.min(query.limit, MAX_LIMIT);
    const segments = await this.#source.segments();
    let found: AuditEntry[] = [];
    let bytes = 0;
    const cut = (): void => {
      found = found.toSorted(newestFirst).slice(0, limit + 1);
    };
    const newest = Math.max(...segments.map(({ lastAt }) => lastAt.getTime()));
    for (const range of rangesOf(query, newest)) {
      for (const segment of segments) {
        if (segment.firstAt >= range.to || segment.lastAt < range.from) continue;
        if (bytes > MAX_BYTES) return pageOf(found, { limit, isComplete: false });
        const visit = (entry: AuditEntry) => {
          found.push(entry);
          if (found.length > 4 * MAX_LIMIT) cut();
        };
        bytes += await visitMatches(segment, { ...query, ...range }, visit);
        cut();
      }
      // Every further line is older than those found.
      if (found.length > limit) break;
    }
    return pageOf(found, { limit, isComplete: true });
  }
}

function pageOf(
  found: readonly AuditEntry[],
  { limit, isComplete }: { readonly limit: number; readonly isComplete: boolean },
): AuditPage {
  const entries = found.slice(0, limit);
  const last = entries.at(-1);
  const hasMore = found.length > limit && last !== undefined;
  return { entries, isComplete, ...(hasMore ? { next: positionOf(last) } : {}) };
}

/** The time of a query in parts, the newest first, each longer than the one before: most searches end with the first ones. */
function* rangesOf({ from, to: end, after }: AuditQuery, newest: number): Generator<TimeRange> {
  const position = after === undefined ? Number.NaN : Date.parse(after.split(' ')[0] ?? '');
  let to = Math.min(end.getTime(), newest + 1, Number.isNaN(position) ? Infinity : position + 1);
  for (let length = FIRST_MILLISECONDS; to > from.getTime(); length *= GROWTH) {
    const start = Math.max(from.getTime(), to - length);
    yield { from: new Date(start), to: new Date(to) };
    to = start;
  }
}

/** Returns how many octets were read. */
async function visitMatches(
  segment: AuditSegment,
  { tpp, client, event, from, to, after }: AuditQuery,
  visit: (entry: AuditEntry) => void,
): Promise<number> {
  let read = 0;
  const [first, last] = [from.toISOString(), to.toISOString()];
  // Parsing costs more than this: most lines are of others.
  const needles = [tpp, client].flatMap((text) =>
    text === undefined ? [] : [Buffer.from(JSON.stringify(text))],
  );
  const take = (bytes: Buffer) => {
    if (!needles.every((needle) => bytes.includes(needle))) return;
    const line = parseLine(bytes.toString());
    if (line === undefined || line.at < first || line.at >= last) return;
    if (client !== undefined && line.members.clientId !== client) return;
    if (event !== undefined && !isNamed(line.event, event)) return;
    if (after === undefined || positionOf(line) < after) visit(line);
  };
  await visitLines({ chunks: () => segment.chunksOf({ from, to }) }, take, (bytes) => {
    read += bytes;
  });
  return read;
}

function isNamed(name: string, wanted: string): boolean {
  return wanted.endsWith('.') ? name.startsWith(wanted) : name === wanted;
}

function newestFirst(a: AuditEntry, b: AuditEntry): number {
  return positionOf(a) < positionOf(b) ? 1 : -1;
}

/** A position in the order of all lines. */
function positionOf({ at, process, sequence }: AuditEntry): string {
  return `${at} ${process} ${String(sequence).padStart(15, '0')}`;
}
