import { constants, type KeyObject, verify } from 'node:crypto';
import {
  contextTag,
  DerError,
  type DerReader,
  decodeCount,
  decodeOctetBits,
  type Element,
  readAll,
  TAG,
} from '../der/der.ts';

/** The algorithm of a signature: `name` is for people; no `scheme` means unknown or too weak to rely on. */
export interface SignatureAlgorithm {
  readonly oid: string;
  readonly name: string;
  readonly scheme?: SignatureScheme;
  /** Whether it is known as too weak; without a scheme it is not supported otherwise. */
  readonly isWeak: boolean;
}

type Hash = 'sha256' | 'sha384' | 'sha512';

/** How a signature of accepted strength is verified. */
export type SignatureScheme =
  | { readonly kind: 'pkcs1' | 'pss' | 'ecdsa'; readonly hash: Hash }
  | { readonly kind: 'ed25519' };

interface KnownAlgorithm {
  readonly name: string;
  /** The required parameters: absent, NULL (or, by RFC 4055 §5, absent), or checked later. */
  readonly parameters: 'absent' | 'null' | 'any';
  readonly scheme?: SignatureScheme;
  readonly isWeak?: true;
}

const RSASSA_PSS = '1.2.840.113549.1.1.10';
const MGF1 = '1.2.840.113549.1.1.8';
const HASHES: Readonly<Record<string, Hash>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
const HASH_BYTES: Readonly<Record<Hash, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** An allow-list: algorithms without `scheme`, or not listed, are refused. The weak ones are listed for their names. */
const ALGORITHMS: Readonly<Record<string, KnownAlgorithm>> = {
  '1.2.840.113549.1.1.4': { name: 'md5WithRSAEncryption', parameters: 'null', isWeak: true },
  '1.2.840.113549.1.1.5': { name: 'sha1WithRSAEncryption', parameters: 'null', isWeak: true },
  '1.2.840.113549.1.1.11': rsa('sha256'),
  '1.2.840.113549.1.1.12': rsa('sha384'),
  '1.2.840.113549.1.1.13': rsa('sha512'),
  [RSASSA_PSS]: { name: 'RSASSA-PSS', parameters: 'any', isWeak: true },
  '1.2.840.10040.4.3': { name: 'dsa-with-SHA1', parameters: 'any', isWeak: true },
  '1.2.840.10045.4.1': { name: 'ecdsa-with-SHA1', parameters: 'absent', isWeak: true },
  '1.2.840.10045.4.3.2': ecdsa('sha256'),
  '1.2.840.10045.4.3.3': ecdsa('sha384'),
  '1.2.840.10045.4.3.4': ecdsa('sha512'),
  '1.3.101.112': { name: 'Ed25519', parameters: 'absent', scheme: { kind: 'ed25519' } },
  '1.3.101.113': { name: 'Ed448', parameters: 'absent' },
};

function rsa(hash: Hash): KnownAlgorithm {
  return { name: `${hash}WithRSAEncryption`, parameters: 'null', scheme: { kind: 'pkcs1', hash } };
}

function ecdsa(hash: Hash): KnownAlgorithm {
  const name = `ecdsa-with-${hash.toUpperCase()}`;
  return { name, parameters: 'absent', scheme: { kind: 'ecdsa', hash } };
}

/**
 * The algorithm of a signature; parameters that its definition forbids are refused.
 *
 * @throws DerError
 * @see RFC 5280 §4.1.1.2, RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3
 */
export function readSignatureAlgorithm(reader: DerReader): SignatureAlgorithm {
  const { oid, parameters } = readAlgorithm(reader);
  const known = ALGORITHMS[oid];
  if (known?.parameters === 'absent' && parameters !== undefined) {
    throw new DerError(`${known.name} takes no parameters`);
  }
  if (known?.parameters === 'null' && !isNullOrAbsent(parameters)) {
    throw new DerError(`${known.name} takes NULL as parameters`);
  }
  const scheme = oid === RSASSA_PSS ? findPssScheme(parameters?.raw) : known?.scheme;
  return Object.freeze({
    oid,
    name: known?.name ?? oid,
    ...(scheme === undefined ? {} : { scheme }),
    isWeak: known?.isWeak === true,
  });
}

/** The parts of a certificate or CRL that prove where it comes from. */
export interface SignedValue {
  /** The signed bytes, tbsCertificate or tbsCertList. */
  readonly tbs: Buffer;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Buffer;
}

/**
 * SEQUENCE { tbs SEQUENCE, signatureAlgorithm, signatureValue BIT STRING }, all of it. The tbs repeats the algorithm as
 * `innerAlgorithm`, and both must agree to the octet (RFC 5280 §4.1.1.2, §5.1.1.2).
 *
 * @throws DerError
 */
export function readSigned<T extends { readonly innerAlgorithm: Buffer }>(
  der: Buffer,
  readTbs: (fields: DerReader) => T,
): SignedValue & Omit<T, 'innerAlgorithm'> {
  return readAll(der, (reader) =>
    reader.within(TAG.sequence, (fields) => {
      const tbs = fields.element(TAG.sequence);
      const outer = fields.any();
      const signature = decodeOctetBits(fields.content(TAG.bitString));
      const { innerAlgorithm, ...contents } = readAll(tbs.content, readTbs);
      if (!innerAlgorithm.equals(outer.raw)) throw new DerError('the two signature algorithms differ');
      const signatureAlgorithm = readAll(outer.raw, readSignatureAlgorithm);
      return { tbs: tbs.raw, signatureAlgorithm, signature, ...contents };
    }),
  );
}

/** AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL } @throws DerError */
export function readAlgorithm(reader: DerReader): { oid: string; parameters: Element | undefined } {
  return reader.within(TAG.sequence, (fields) => ({
    oid: fields.oid(),
    parameters: fields.isAtEnd ? undefined : fields.any(),
  }));
}

function isNullOrAbsent(parameters: Element | undefined): boolean {
  return parameters === undefined || (parameters.tag === TAG.null && parameters.content.length === 0);
}

/**
 * RSASSA-PSS in its usual form: SHA-2, MGF1 with the same hash, a salt as long as the hash. Absent parameters
 * mean SHA-1.
 *
 *     RSASSA-PSS-params ::= SEQUENCE { hashAlgorithm [0] DEFAULT sha1, maskGenAlgorithm [1] DEFAULT mgf1SHA1,
 *       saltLength [2] INTEGER DEFAULT 20, trailerField [3] INTEGER DEFAULT 1 }
 *
 * @see RFC 4055 §3.1
 */
function findPssScheme(parameters: Buffer | undefined): SignatureScheme | undefined {
  if (parameters === undefined) return undefined;
  const { hash, maskHash, saltLength } = readPss(parameters);
  const known = HASHES[hash];
  if (known === undefined || maskHash !== hash || saltLength !== HASH_BYTES[known]) return undefined;
  return { kind: 'pss', hash: known };
}

const SHA_1 = '1.3.14.3.2.26';

function readPss(parameters: Buffer): { hash: string; maskHash: string; saltLength: number } {
  const field = (number: number): number => contextTag(number, 'constructed');
  return readAll(parameters, (reader) =>
    reader.within(TAG.sequence, (fields) => ({
      hash: fields.optionalWithin(field(0), readHash) ?? SHA_1,
      maskHash: fields.optionalWithin(field(1), readMask) ?? SHA_1,
      saltLength: fields.optionalWithin(field(2), (salt) => decodeCount(salt.content(TAG.integer))) ?? 20,
    })),
  );
}

/** The object identifier of a hash, with NULL or nothing as parameters. */
export function readHash(reader: DerReader): string {
  const { oid, parameters } = readAlgorithm(reader);
  if (!isNullOrAbsent(parameters)) throw new DerError('a hash takes NULL as parameters');
  return oid;
}

function readMask(reader: DerReader): string {
  const { oid, parameters } = readAlgorithm(reader);
  if (oid !== MGF1 || parameters === undefined) throw new DerError('the mask is not MGF1');
  return readAll(parameters.raw, readHash);
}

/** The signed bytes, the signature, and the key that should have made it. */
export interface SignedBytes {
  readonly data: Buffer;
  readonly signature: Buffer;
  readonly key: KeyObject;
}

/** Whether the key made the signature. False for a key of another kind than the scheme's. */
export function verifySignature(scheme: SignatureScheme, { data, signature, key }: SignedBytes): boolean {
  switch (scheme.kind) {
    case 'ed25519':
      return key.asymmetricKeyType === 'ed25519' && verify(undefined, data, key, signature);
    case 'ecdsa':
      return (
        key.asymmetricKeyType === 'ec' && verify(scheme.hash, data, { key, dsaEncoding: 'der' }, signature)
      );
    case 'pkcs1':
      return key.asymmetricKeyType === 'rsa' && verify(scheme.hash, data, key, signature);
    case 'pss':
      return isPssKey(key, scheme.hash) && verify(scheme.hash, data, pssKey(key), signature);
  }
}

/** Whether the key made the signature of a value, by a scheme of accepted strength. */
export function isSignedBy(
  { tbs: data, signature, signatureAlgorithm: { scheme } }: SignedValue,
  key: KeyObject,
): boolean {
  return scheme !== undefined && verifySignature(scheme, { data, signature, key });
}

function pssKey(key: KeyObject): { key: KeyObject; padding: number; saltLength: number } {
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
}

/** An id-RSASSA-PSS key may fix the parameters of its signatures (RFC 4055 §3.3). */
function isPssKey(key: KeyObject, hash: Hash): boolean {
  if (key.asymmetricKeyType === 'rsa') return true;
  if (key.asymmetricKeyType !== 'rsa-pss') return false;
  const { hashAlgorithm = hash, mgf1HashAlgorithm = hash, saltLength = 0 } = key.asymmetricKeyDetails ?? {};
  return hashAlgorithm === hash && mgf1HashAlgorithm === hash && saltLength <= HASH_BYTES[hash];
}
