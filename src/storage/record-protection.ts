import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { OpenBankingError } from '../errors.ts';

/** Bytes of a block of SHA-256, and of its hash. */
const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
/** Texts of up to this many characters share a buffer. */
const SHORT = 1024;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
/** Counts to 2^48, and throws then: not in the life of a process. */
const COUNT_BYTES = 6;
const TAG_BYTES = 16;
/** Characters of a keyed hash. */
const MAC_LENGTH = 43;
const NONCE_END = SALT_BYTES + NONCE_BYTES;
const HEAD_BYTES = NONCE_END + TAG_BYTES;
/** Keys of other processes, and of this one's earlier lives, that are remembered. */
const MAX_KEYS = 1000;

/**
 * AES-256-GCM over JSON, or a MAC where nothing need be hidden. `boundTo` is authenticated too, so that no record can
 * pass for another.
 *
 * Each start of a process makes a new key from the secret and a random salt, and counts its nonces: none
 * is used twice, however many tokens there are. (Random nonces under one key are good for 2^32, NIST SP 800-38D
 * section 8.3: a month of a busy server.)
 */
export class PayloadEncryption {
  readonly #secret: Buffer;
  readonly #ownSalt = randomBytes(SALT_BYTES);
  readonly #ownKey: KeyObject;
  /** Keys by salt, of what others have encrypted. */
  readonly #keys = new LRUCache<string, KeyObject>({ max: MAX_KEYS });
  /** Salt and nonce: all that precedes the tag. */
  readonly #head = Buffer.concat([this.#ownSalt, Buffer.alloc(NONCE_BYTES)]);
  #count = 0;
  readonly #macOf: (text: string) => string;

  constructor(secret: Buffer) {
    this.#secret = secret;
    this.#ownKey = this.#deriveKey(this.#ownSalt);
    this.#macOf = keyedHash(hkdf(secret, '', 'tallystick stamps'));
  }

  encrypt(payload: unknown, boundTo: string): string {
    this.#head.writeUIntBE(this.#count, NONCE_END - COUNT_BYTES, COUNT_BYTES);
    this.#count += 1;
    const nonce = this.#head.subarray(SALT_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#ownKey, nonce).setAAD(Buffer.from(boundTo));
    const text = cipher.update(JSON.stringify(payload), 'utf8');
    // GCM returns nothing more; this makes the tag.
    cipher.final();
    return Buffer.concat([this.#head, cipher.getAuthTag(), text]).toString('base64');
  }

  /**
   * The same protection against change and exchange, and none against reading. With encryption in its place the server
   * issues 0.885 of the tokens (`npm run bench -- tokens`).
   */
  authenticate(payload: object, boundTo: string): string {
    const text = JSON.stringify(payload);
    return `${text}${this.#macOf(`${boundTo}\0${text}`)}`;
  }

  /**
   * The arguments of `encrypt` or `authenticate`.
   *
   * @throws ERR_STORAGE_UNAVAILABLE for what is damaged, or was made with another secret or for another record
   */
  decrypt(stored: unknown, boundTo: string): unknown {
    try {
      // Encrypted payloads are base64; authenticated payloads begin as JSON.
      const text = String(stored);
      return JSON.parse(text.startsWith('{') ? this.#checked(text, boundTo) : this.#decrypted(text, boundTo));
    } catch (cause) {
      // Never "not found", which a caller might take for an answer.
      throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'decrypt' }, { cause });
    }
  }

  #checked(stored: string, boundTo: string): string {
    const text = stored.slice(0, -MAC_LENGTH);
    const given = Buffer.from(stored.slice(-MAC_LENGTH));
    const expected = Buffer.from(this.#macOf(`${boundTo}\0${text}`));
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new Error('wrong MAC');
    return text;
  }

  #decrypted(stored: string, boundTo: string): string {
    const bytes = Buffer.from(stored, 'base64');
    const decipher = createDecipheriv(
      'aes-256-gcm',
      this.#keyOf(bytes.subarray(0, SALT_BYTES)),
      bytes.subarray(SALT_BYTES, NONCE_END),
      { authTagLength: TAG_BYTES },
    );
    decipher.setAAD(Buffer.from(boundTo)).setAuthTag(bytes.subarray(NONCE_END, HEAD_BYTES));
    const text = decipher.update(bytes.subarray(HEAD_BYTES), undefined, 'utf8');
    return text + decipher.final('utf8');
  }

  #keyOf(salt: Buffer): KeyObject {
    if (salt.equals(this.#ownSalt)) return this.#ownKey;
    const name = salt.toString('latin1');
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    const key = this.#deriveKey(salt);
    this.#keys.set(name, key);
    return key;
  }

  #deriveKey(salt: Buffer): KeyObject {
    return createSecretKey(hkdf(this.#secret, salt, 'tallystick payloads'));
  }
}

/** 32 bytes for one purpose (RFC 5869). */
function hkdf(secret: Buffer, salt: Buffer | string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, purpose, 32));
}

/** The hash under which the store has an identifier: of a record of a kind, or of an index value. */
export function identifierHash(secret: Buffer): (kind: string, id: string) => string {
  const hashOf = keyedHash(hkdf(secret, '', 'tallystick identifiers'));
  return (kind, id) => hashOf(`${kind}\0${id}`);
}

/**
 * HMAC-SHA-256 in base64url (RFC 2104 §2), of two hashes in one call each. `createHmac` makes an object for every
 * message, which costs more than the hashing: with `createHmac` the server issues 0.93 of the tokens (`npm run bench --
 * tokens`).
 *
 * @param key at most 64 bytes
 */
export function keyedHash(key: Buffer): (text: string) => string {
  if (key.length > BLOCK_BYTES) throw new TypeError('the key is longer than a block');
  const startingWith = (byte: number, more: number) =>
    Buffer.from(Array.from({ length: BLOCK_BYTES + more }, (_, at) => (key[at] ?? 0) ^ byte));
  // No character is longer than three bytes.
  const inner = startingWith(0x36, SHORT * 3);
  const outer = startingWith(0x5c, HASH_BYTES);
  const message = (text: string) =>
    text.length <= SHORT
      ? inner.subarray(0, BLOCK_BYTES + inner.write(text, BLOCK_BYTES))
      : Buffer.concat([inner.subarray(0, BLOCK_BYTES), Buffer.from(text)]);
  return (text) => {
    hash('sha256', message(text), 'buffer').copy(outer, BLOCK_BYTES);
    return hash('sha256', outer, 'base64url');
  };
}
