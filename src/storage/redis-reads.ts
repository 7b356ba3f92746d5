import { TOMBSTONE } from './redis-scripts.ts';
import { NONCE_LENGTH, type RedisParts } from './redis-writes.ts';
import type { StoredRecord } from './store.ts';

/** The live record under an identifier. */
export async function findRecord(
  parts: RedisParts,
  kind: string,
  id: string,
): Promise<StoredRecord | undefined> {
  const row = await readRow(parts, kind, id);
  return row !== undefined && isLive(row, parts.now()) ? recordOf(row) : undefined;
}

/** The live records whose last write registered them in this index, oldest first. */
export async function listRecords(parts: RedisParts, kind: string, index: string): Promise<StoredRecord[]> {
  const members = await parts.primaries.reader.zrange(index, '0', '-1');
  const rows = await Promise.all(
    members
      .filter((member) => member !== TOMBSTONE)
      .map(async (member) => {
        const row = await readRow(parts, kind, member.slice(NONCE_LENGTH));
        return row?.writtenBy === member.slice(0, NONCE_LENGTH) ? row : undefined;
      }),
  );
  const at = parts.now();
  return rows
    .flatMap((row) => (row !== undefined && isLive(row, at) ? [row] : []))
    .toSorted((one, other) => one.writtenAt - other.writtenAt)
    .map(recordOf);
}

interface Row {
  readonly id: string;
  readonly value: string;
  /** Milliseconds, or nothing for a record without an end. */
  readonly ends: string;
  readonly consumedAt: string | null;
  readonly writtenBy: string;
  readonly writtenAt: number;
}

async function readRow({ primaries, keys }: RedisParts, kind: string, id: string): Promise<Row | undefined> {
  const fields = ['v', 'e', 'c', 'n', 'w'] as const;
  const [value, ends, consumedAt, writtenBy, writtenAt] = await primaries.reader.hmget(
    keys.record(kind, id),
    ...fields,
  );
  // A hash without them holds graves only.
  if (value == null || ends == null || writtenBy == null) return undefined;
  return { id, value, ends, consumedAt: consumedAt ?? null, writtenBy, writtenAt: Number(writtenAt) };
}

function isLive({ ends }: Row, now: number): boolean {
  return ends === '' || Number(ends) > now;
}

function recordOf({ id, value, ends, consumedAt }: Row): StoredRecord {
  return {
    id,
    value: JSON.parse(value),
    ...(consumedAt === null ? {} : { consumedAt: new Date(Number(consumedAt)) }),
    ...(ends === '' ? {} : { expiresAt: new Date(Number(ends)) }),
  };
}
