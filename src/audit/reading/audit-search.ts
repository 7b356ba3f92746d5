import { parseLine } from '../line/audit-line.ts';
import type { AuditSegment, AuditSource } from './audit-source.ts';
import { visitLines } from './lines-of.ts';

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

/** Finds lines of the record of all processes. */
export class AuditSearch {
  readonly #source: Pick<AuditSource, 'segments'>;

  constructor(source: Pick<AuditSource, 'segments'>) {
    this.#source = source;
  }

  /** @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE */
  async find(query: AuditQuery): Promise<AuditPage> {
    const limit = Math.min(query.limit, MAX_LIMIT);
    const segments = (await this.#source.segments())
      .filter(({ lastAt }) => lastAt >= query.from)
      .toSorted((a, b) => b.lastAt.getTime() - a.lastAt.getTime());
    let found: AuditEntry[] = [];
    let bytes = 0;
    let isComplete = true;
    const cut = (): void => {
      found = found.toSorted(newestFirst).slice(0, limit + 1);
    };
    for (const segment of segments) {
      const oldest = found[limit];
      // No later part has a line that is newer than those found.
      if (oldest !== undefined && oldest.at > segment.lastAt.toISOString()) break;
      if (bytes > MAX_BYTES) {
        isComplete = false;
        break;
      }
      await visitMatches(segment, query, (entry) => {
        found.push(entry);
        if (found.length > 4 * MAX_LIMIT) cut();
      });
      bytes += segment.bytes;
      cut();
    }
    const entries = found.slice(0, limit);
    const last = entries.at(-1);
    return {
      entries,
      isComplete,
      ...(found.length > limit && last !== undefined ? { next: positionOf(last) } : {}),
    };
  }
}

async function visitMatches(
  segment: AuditSegment,
  { tpp, client, event, from, to, after }: AuditQuery,
  visit: (entry: AuditEntry) => void,
): Promise<void> {
  const [first, last] = [from.toISOString(), to.toISOString()];
  // Parsing costs more than this: most lines are of others.
  const needles = [tpp, client].flatMap((text) =>
    text === undefined ? [] : [Buffer.from(JSON.stringify(text))],
  );
  await visitLines(segment, (bytes) => {
    if (!needles.every((needle) => bytes.includes(needle))) return;
    const line = parseLine(bytes.toString());
    if (line === undefined || line.at < first || line.at >= last) return;
    if (client !== undefined && line.members.clientId !== client) return;
    if (event !== undefined && !isNamed(line.event, event)) return;
    if (after === undefined || positionOf(line) < after) visit(line);
  });
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
