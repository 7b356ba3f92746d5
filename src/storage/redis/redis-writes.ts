import { randomFillSync } from 'node:crypto';
import { OpenBankingError } from '../../errors.ts';
import type { Budget, RedisGroupWrite } from './redis-group-write.ts';
import type { RedisKeys } from './redis-keys.ts';
import type { RedisPrimaries } from './redis-primaries.ts';
import {
  CHANGED,
  TOMBSTONED,
  SET_TOMBSTONE,
  DELETE,
  END,
  EXISTS,
  FORGET,
  END_WRITE,
  NONCE_LENGTH,
  PUT,
  PUT_NEW,
  REGISTER,
} from './redis-scripts.ts';
import type { RecordToStore } from '../store.ts';

/** The collaborators of every operation of the store. */
export interface RedisParts {
  readonly primaries: RedisPrimaries;
  readonly group: RedisGroupWrite;
  readonly keys: RedisKeys;
  readonly now: () => number;
}

/** 16 characters of base64url: `NONCE_LENGTH`. */
const NONCE_BYTES = 12;
/** Records that `deleteByIndex` removes at once. */
const DELETE_BATCH = 200;

export interface RecordWrite {
  readonly kind: string;
  readonly id: string;
  readonly record: RecordToStore;
  /** `new`: only if there is no live record. `same`: only if the live record has the value `replaced`. */
  readonly mode: 'any' | 'new' | 'same';
  /** JSON of a value. */
  readonly replaced?: string;
}

/**
 * Writes a record. False when `mode` is `new` and a live record exists, or `same` and the live record has another value.
 *
 * @throws ERR_STORAGE_REVOKED
 */
export async function writeRecord(parts: RedisParts, write: RecordWrite, budget: Budget): Promise<boolean> {
  const { keys, primaries, now } = parts;
  const { kind, id, record, mode, replaced: expected = '' } = write;
  const own = nonce();
  const ends = record.expiresAt?.getTime() ?? '';
  const value = JSON.stringify(record.value);
  const indexes = JSON.stringify(record.indexes ?? {});
  const indexKeys = Object.entries(record.indexes ?? {}).map(([name, text]) => keys.index(kind, name, text));
  if (mode === 'new' && indexKeys.length === 0) {
    const args = [now(), ends, own, value];
    const call = { script: PUT_NEW, keys: [keys.record(kind, id)], args };
    if ((await parts.group.run(call, budget)) === 1) return true;
  }
  const registration = { kind, member: `${own}${id}`, indexes };
  const script = (call: { script: typeof PUT; keys: string[]; args: (string | number)[] }) =>
    parts.group.run(call, budget);

  if (primaries.isCluster) {
    const args = [now(), ends, registration.member];
    const replies = await Promise.all(
      indexKeys.map((key) => script({ script: REGISTER, keys: [key], args })),
    );
    if (replies.includes(TOMBSTONED)) {
      await forget(parts, registration, budget);
      throw new OpenBankingError('ERR_STORAGE_REVOKED', { kind });
    }
  }
  const reply = await script({
    script: PUT,
    keys: [keys.record(kind, id), ...(primaries.isCluster ? [] : indexKeys)],
    args: [now(), ends, registration.member, own, value, indexes, mode, indexPrefixOf(parts, kind), expected],
  });
  const [outcome, replaced = '', replacedIndexes = ''] = textsOf(reply);
  if (outcome === TOMBSTONED || outcome === EXISTS || outcome === CHANGED) {
    if (primaries.isCluster) await forget(parts, registration, budget);
    if (outcome !== TOMBSTONED) return false;
    throw new OpenBankingError('ERR_STORAGE_REVOKED', { kind });
  }
  if (primaries.isCluster && replaced !== '' && replaced !== own) {
    await forget(parts, { kind, member: `${replaced}${id}`, indexes: replacedIndexes }, budget);
  }
  return true;
}

/** Removes a record and its registrations. */
export async function deleteRecord(
  parts: RedisParts,
  { kind, id }: { readonly kind: string; readonly id: string },
  budget: Budget,
): Promise<void> {
  const args = [parts.now(), id, indexPrefixOf(parts, kind)];
  const call = { script: DELETE, keys: [parts.keys.record(kind, id)], args };
  const [writtenBy = '', indexes = ''] = textsOf(await parts.group.run(call, budget));
  if (parts.primaries.isCluster) await forget(parts, { kind, member: `${writtenBy}${id}`, indexes }, budget);
}

interface IndexDeletion {
  readonly kind: string;
  readonly name: string;
  readonly value: string;
  readonly until: Date;
}

/** Sets the tombstone, and removes every record that registered before it. */
export async function deleteByIndex(
  parts: RedisParts,
  deletion: IndexDeletion,
  budget: Budget,
): Promise<void> {
  const { primaries, group, keys, now } = parts;
  if (primaries.isCluster) return deleteOneByOne(parts, deletion, budget);
  const { kind, name, value, until } = deletion;
  const prefixes = [keys.indexPrefix(kind), keys.recordPrefix(kind)];
  const end = () => ({
    script: END,
    keys: [keys.index(kind, name, value)],
    args: [now(), until.getTime(), DELETE_BATCH, name, ...prefixes],
  });
  while (Number(await group.run(end(), budget)) >= DELETE_BATCH);
}

async function deleteOneByOne(
  parts: RedisParts,
  { kind, name, value, until }: IndexDeletion,
  budget: Budget,
): Promise<void> {
  const { group, keys, now } = parts;
  const index = keys.index(kind, name, value);
  const ends = until.getTime();
  const setTombstone = async () =>
    textsOf(
      await group.run({ script: SET_TOMBSTONE, keys: [index], args: [now(), ends, DELETE_BATCH] }, budget),
    );
  const endWrite = async (member: string) => {
    const [by, id] = [member.slice(0, NONCE_LENGTH), member.slice(NONCE_LENGTH)];
    const call = { script: END_WRITE, keys: [keys.record(kind, id)], args: [now(), by, ends] };
    const indexes = String(await group.run(call, budget));
    await forget(parts, { kind, member, indexes, except: name }, budget);
  };
  // The tombstone of the first round refuses new registrations, so the rounds end.
  for (let members = await setTombstone(); members.length > 0; members = await setTombstone()) {
    await Promise.all(members.map(endWrite));
    await group.run({ script: FORGET, keys: [index], args: [now(), ...members] }, budget);
  }
}

interface Registration {
  readonly kind: string;
  /** Nonce and identifier of a write that has ended, and whose record is gone. */
  readonly member: string;
  /** The indexes of the record, as JSON; empty when there was no record. */
  readonly indexes: string;
  /** An index that the caller handles. */
  readonly except?: string;
}

async function forget(parts: RedisParts, registration: Registration, budget: Budget): Promise<void> {
  const { kind, member, indexes, except } = registration;
  const entries = Object.entries<string>(JSON.parse(indexes === '' ? '{}' : indexes));
  await Promise.all(
    entries
      .filter(([name]) => name !== except)
      .map(([name, value]) => {
        const call = {
          script: FORGET,
          keys: [parts.keys.index(kind, name, value)],
          args: [parts.now(), member],
        };
        return parts.group.run(call, budget);
      }),
  );
}

/** Empty in a Cluster, where a script must touch only the keys that are passed to it. */
function indexPrefixOf({ primaries, keys }: RedisParts, kind: string): string {
  return primaries.isCluster ? '' : keys.indexPrefix(kind);
}

function textsOf(reply: unknown): string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}

/** Random bytes of many nonces: with a draw for each, a server on Redis issues 0.95 of the opaque tokens (measured). */
const pool = Buffer.alloc(NONCE_BYTES * 256);
let used = pool.length;

/** Names one write, or one consumer. */
export function nonce(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += NONCE_BYTES;
  return pool.toString('base64url', used - NONCE_BYTES, used);
}
