import { type Cluster, type Redis, ReplyError } from 'ioredis';
import { OpenBankingError } from '../../errors.ts';

/**
 * The schema of this program: names and forms of the keys. A version that changes them for keys that are there raises the
 * number, after it has changed them. Keys of a version before the first number are those of schema 1.
 */
export const REDIS_SCHEMA = 1;

/**
 * Checks, before anything is written, that this program knows the schema of the keys, and notes the schema where none is
 * noted.
 *
 * @throws ERR_STORAGE_UNAVAILABLE for keys that a newer version has written, and when Redis does not answer
 */
export async function assertKnownRedisSchema(redis: Redis | Cluster, key: string): Promise<void> {
  try {
    const noted = await redis.get(key);
    if (noted === null) await note(redis, key);
    else if (!isKnown(noted)) throw unknownSchema(noted);
  } catch (cause) {
    if (cause instanceof OpenBankingError) throw cause;
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: `open: ${cause}` }, { cause });
  }
}

async function note(redis: Redis | Cluster, key: string): Promise<void> {
  try {
    await redis.set(key, REDIS_SCHEMA, 'NX');
  } catch (error) {
    // A primary that has too few replicas, or no room, takes no writes for now: the next start notes the schema.
    if (!(error instanceof ReplyError)) throw error;
  }
}

function isKnown(noted: string): boolean {
  return /^\d{1,9}$/.test(noted) && Number(noted) <= REDIS_SCHEMA;
}

function unknownSchema(noted: string): OpenBankingError<'ERR_STORAGE_UNAVAILABLE'> {
  const operation = `open: Redis has schema ${noted}, this program knows ${REDIS_SCHEMA}`;
  return new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation });
}
