import { Cluster, type Redis } from 'ioredis';
import { LIST, NONCE_LENGTH, PAGE, type RedisScript, ROWS, TOMBSTONE } from './redis-scripts.ts';
import type { RedisParts } from './redis-writes.ts';
import type { PageRequest, RecordPage, StoredRecord } from '../store.ts';

/** The live record under an identifier. */
export async function findRecord(
  parts: RedisParts,
  kind: string,
  id: string,
): Promise<StoredRecord | undefined> {
  const row = await readRow(parts, kind, id);
  return row !== undefined && isLive(row, parts.now()) ? recordOf(row) : undefined;
}

/** Records that one script reads; bounds the time for which the script keeps Redis busy. */
const READ_BATCH = 256;

/** The live records whose last write registered them in this index, oldest first. */
export async function listRecords(parts: RedisParts, kind: string, index: string): Promise<StoredRecord[]> {
  const { reader } = parts.primaries;
  const rows = await (reader instanceof Cluster
    ? rowsOneByOne(parts, kind, await reader.zrange(index, '0', '-1'))
    : rowsTogether(parts, kind, { redis: reader, index }));
  const at = parts.now();
  return rows
    .filter((row) => isLive(row, at))
    .toSorted((one, other) => one.writtenAt - other.writtenAt)
    .map(recordOf);
}

/** The end of the record and the member of its registration, by which the next page begins after it. */
const POSITION = /^(inf|\d{1,16})\.(.+)$/s;

/** A part of the live records of this index, in the order of their ends. */
export async function pageOfRecords(
  parts: RedisParts,
  { kind, index }: { readonly kind: string; readonly index: string },
  { after, limit }: PageRequest,
): Promise<RecordPage> {
  const { reader } = parts.primaries;
  const [, score, member] = POSITION.exec(after ?? '') ?? [];
  const position = score === undefined || member === undefined ? [] : [score, member];
  const call = { keys: [index], args: [parts.now(), limit + 1, ...position] };
  const answer = (await run(reader, PAGE, call)) as string[];
  const found = Array.from({ length: answer.length / 2 }, (_, at) => ({
    member: answer[at * 2] ?? '',
    score: answer[at * 2 + 1] ?? '',
  }));
  const page = found.slice(0, limit);
  const members = page.map((one) => one.member);
  const rows = await (reader instanceof Cluster
    ? rowsOneByOne(parts, kind, members)
    : rowsOfMembers(parts, kind, { redis: reader, members }));
  const at = parts.now();
  const records = rows.filter((row) => isLive(row, at)).map(recordOf);
  const last = page.at(-1);
  return found.length > limit && last !== undefined
    ? { records, next: `${last.score}.${last.member}` }
    : { records };
}

/** How many live records this index has, up to `most`. A page may have fewer than it has registrations. */
export async function countRecords(
  parts: RedisParts,
  of: { readonly kind: string; readonly index: string },
  most: number,
): Promise<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const { records, next } = await pageOfRecords(parts, of, { after, limit: most - count });
    count += records.length;
    after = next;
  } while (after !== undefined && count < most);
  return count;
}

async function rowsOfMembers(
  { keys }: RedisParts,
  kind: string,
  { redis, members }: { readonly redis: Redis; readonly members: readonly string[] },
): Promise<Row[]> {
  const written = members.filter((member) => member !== TOMBSTONE);
  if (written.length === 0) return [];
  const recordKeys = written.map((member) => keys.record(kind, member.slice(NONCE_LENGTH)));
  const rows = (await run(redis, ROWS, { keys: recordKeys, args: [] })) as Fields[];
  return written.flatMap((member, at) => registered(member, rowOf(member.slice(NONCE_LENGTH), rows[at])));
}

async function rowsTogether(
  { keys }: RedisParts,
  kind: string,
  { redis, index }: { readonly redis: Redis; readonly index: string },
): Promise<Row[]> {
  const first = { keys: [index], args: [keys.recordPrefix(kind), READ_BATCH] };
  const [members, rows] = (await run(redis, LIST, first)) as [string[], Fields[]];
  const batches = Array.from({ length: Math.ceil(members.length / READ_BATCH) - 1 }, (_, at) =>
    members.slice((at + 1) * READ_BATCH, (at + 2) * READ_BATCH),
  );
  const more = await Promise.all(
    batches.map((batch) => {
      const recordKeys = batch.map((member) => keys.record(kind, member.slice(NONCE_LENGTH)));
      return run(redis, ROWS, { keys: recordKeys, args: [] }) as Promise<Fields[]>;
    }),
  );
  const all = [...rows, ...more.flat()];
  return members.flatMap((member, at) => registered(member, rowOf(member.slice(NONCE_LENGTH), all[at])));
}

async function rowsOneByOne(parts: RedisParts, kind: string, members: readonly string[]): Promise<Row[]> {
  const rows = await Promise.all(
    members
      .filter((member) => member !== TOMBSTONE)
      .map(async (member) => registered(member, await readRow(parts, kind, member.slice(NONCE_LENGTH)))),
  );
  return rows.flat();
}

/** The row, if the write that registered this member of the index wrote it. */
function registered(member: string, row: Row | undefined): Row[] {
  return row !== undefined && row.writtenBy === member.slice(0, NONCE_LENGTH) ? [row] : [];
}

interface ScriptWords {
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

async function run(
  redis: Redis | Cluster,
  { sha, lua }: RedisScript,
  { keys, args }: ScriptWords,
): Promise<unknown> {
  try {
    return await redis.evalsha(sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return redis.eval(lua, keys.length, ...keys, ...args);
  }
}

interface Row {
  readonly id: string;
  readonly value: string;
  /** Milliseconds since the epoch; empty for a record without an end. */
  readonly ends: string;
  readonly consumedAt: string | null;
  readonly writtenBy: string;
  readonly writtenAt: number;
}

/** Of a record: value, end, consumed at, nonce, first written. */
type Fields = readonly (string | null)[];

async function readRow({ primaries, keys }: RedisParts, kind: string, id: string): Promise<Row | undefined> {
  return rowOf(id, await primaries.reader.hmget(keys.record(kind, id), 'v', 'e', 'c', 'n', 'w'));
}

function rowOf(id: string, fields: Fields = []): Row | undefined {
  const [value, ends, consumedAt, writtenBy, writtenAt] = fields;
  // A hash without these fields holds write tombstones only.
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
