import { constants, createECDH, createHash, type KeyObject, privateEncrypt, randomBytes } from 'node:crypto';

/** The order of P-256 (SEC 2 §2.4.2). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const SALT_BYTES = 32;

/** ECDSA on P-256 over a digest, as DER. Node signs only digests that it makes itself. */
export function ecdsaOver(digest: Buffer, key: KeyObject): Buffer {
  const secret = numberOf(Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url'));
  for (;;) {
    const nonce = createECDH('prime256v1');
    const point = nonce.generateKeys();
    const r = numberOf(point.subarray(1, 33)) % ORDER;
    const s = (inverse(numberOf(nonce.getPrivateKey())) * (numberOf(digest) + r * secret)) % ORDER;
    if (r === 0n || s === 0n) continue;
    const members = Buffer.concat([integer(r), integer(s)]);
    return Buffer.concat([Buffer.from([0x30, members.length]), members]);
  }
}

/** RSASSA-PSS with SHA-256 and a salt of 32 bytes over a digest (RFC 8017 §8.1.1, §9.1.1). */
export function pssOver(digest: Buffer, key: KeyObject): Buffer {
  const bytes = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
  const salt = randomBytes(SALT_BYTES);
  const hash = sha256(Buffer.alloc(8), digest, salt);
  const data = Buffer.alloc(bytes - hash.length - 1);
  data[data.length - SALT_BYTES - 1] = 1;
  salt.copy(data, data.length - SALT_BYTES);
  for (const [at, one] of maskOf(hash, data.length).entries()) data[at] = (data[at] ?? 0) ^ one;
  data[0] = (data[0] ?? 0) & 0x7f;
  const encoded = Buffer.concat([data, hash, Buffer.from([0xbc])]);
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded);
}

/** MGF1 (RFC 8017 §B.2.1). */
function maskOf(seed: Buffer, length: number): Buffer {
  const counters = Array.from({ length: Math.ceil(length / 32) }, (_, at) => Buffer.from([0, 0, 0, at]));
  return Buffer.concat(counters.map((counter) => sha256(seed, counter))).subarray(0, length);
}

function sha256(...parts: readonly Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}

function numberOf(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

function inverse(value: bigint): bigint {
  let [last, rest, before, factor] = [ORDER, value, 0n, 1n];
  while (rest !== 0n) {
    const times = last / rest;
    [last, rest] = [rest, last - times * rest];
    [before, factor] = [factor, before - times * factor];
  }
  return ((before % ORDER) + ORDER) % ORDER;
}

function integer(value: bigint): Buffer {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
  const content = (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.alloc(1), bytes]);
  return Buffer.concat([Buffer.from([2, content.length]), content]);
}
