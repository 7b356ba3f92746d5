import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { OpenBankingError } from '../../errors.ts';
import { hkdf, keyedHash } from './keyed-hash.ts';

/** AES-256-GCM over JSON. `boundTo` is authenticated too, so that no record can pass for another. */
export interface Seals {
  readonly seal: (payload: unknown, boundTo: string) => string;
  /** The same protection against change and exchange for what need not be hidden; cheaper. */
  readonly stamp: (payload: object, boundTo: string) => string;
  /** @throws ERR_STORAGE_UNAVAILABLE for what is damaged or was sealed with another secret or for another record */
  readonly unseal: (sealed: unknown, boundTo: string) => unknown;
}

const SALT_BYTES = 16;
const NONCE_BYTES = 12;
/** Counts to 2^48, and throws then: not in the life of a process. */
const COUNT_BYTES = 6;
const TAG_BYTES = 16;
/** Characters of a keyed hash. */
const MARK_LENGTH = 43;
const HEAD_BYTES = SALT_BYTES + NONCE_BYTES + TAG_BYTES;
/** Keys of other processes, and of this one's earlier lives, that are remembered. */
const MAX_KEYS = 1000;

/**
 * Each start of a process has a key of its own, made from the secret and a random salt, and counts its nonces: none
 * is used twice, however many tokens there are. (Random nonces under one key are good for 2^32, NIST SP 800-38D
 * section 8.3: a month of a busy server.)
 */
export function createSeals(secret: Buffer): Seals {
  const keyOf = (salt: Buffer) => createSecretKey(hkdf(secret, salt, 'tallystick payloads'));
  const ownSalt = randomBytes(SALT_BYTES);
  const ownKey = keyOf(ownSalt);
  const keys = new LRUCache<string, KeyObject>({ max: MAX_KEYS });
  /** Salt and nonce: all that precedes the tag. */
  const head = Buffer.concat([ownSalt, Buffer.alloc(NONCE_BYTES)]);
  const nonce = head.subarray(SALT_BYTES);
  let count = 0;

  const knownKey = (salt: Buffer): KeyObject => {
    if (salt.equals(ownSalt)) return ownKey;
    const name = salt.toString('latin1');
    const known = keys.get(name);
    if (known !== undefined) return known;
    const key = keyOf(salt);
    keys.set(name, key);
    return key;
  };
  const mark = keyedHash(hkdf(secret, '', 'tallystick stamps'));
  const checked = (stamped: string, boundTo: string): unknown => {
    const text = stamped.slice(0, -MARK_LENGTH);
    const given = Buffer.from(stamped.slice(-MARK_LENGTH));
    const expected = Buffer.from(mark(`${boundTo}\0${text}`));
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new Error('wrong mark');
    return JSON.parse(text);
  };
  const opened = (sealed: unknown, boundTo: string): unknown => {
    // A seal is base64, a stamp is on JSON.
    if (String(sealed).startsWith('{')) return checked(String(sealed), boundTo);
    const bytes = Buffer.from(String(sealed), 'base64');
    const nonceEnd = SALT_BYTES + NONCE_BYTES;
    const decipher = createDecipheriv(
      'aes-256-gcm',
      knownKey(bytes.subarray(0, SALT_BYTES)),
      bytes.subarray(SALT_BYTES, nonceEnd),
      { authTagLength: TAG_BYTES },
    );
    decipher.setAAD(Buffer.from(boundTo)).setAuthTag(bytes.subarray(nonceEnd, HEAD_BYTES));
    const text = decipher.update(bytes.subarray(HEAD_BYTES), undefined, 'utf8');
    return JSON.parse(text + decipher.final('utf8'));
  };

  return {
    seal(payload, boundTo) {
      nonce.writeUIntBE(count, NONCE_BYTES - COUNT_BYTES, COUNT_BYTES);
      count += 1;
      const cipher = createCipheriv('aes-256-gcm', ownKey, nonce).setAAD(Buffer.from(boundTo));
      const text = cipher.update(JSON.stringify(payload), 'utf8');
      // GCM has nothing more to give; this makes the tag.
      cipher.final();
      return Buffer.concat([head, cipher.getAuthTag(), text]).toString('base64');
    },
    stamp(payload, boundTo) {
      const text = JSON.stringify(payload);
      return `${text}${mark(`${boundTo}\0${text}`)}`;
    },
    unseal(sealed, boundTo) {
      try {
        return opened(sealed, boundTo);
      } catch (cause) {
        // Never "not found", which a caller might take for an answer.
        throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'unseal' }, { cause });
      }
    },
  };
}
