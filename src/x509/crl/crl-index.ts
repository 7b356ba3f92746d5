import { OpenBankingError } from '../../errors.ts';
import type { Certificate } from '../certificate/certificate.ts';
import { CrlEntries } from './crl-entries.ts';
import { type CrlScope, readCrlScope } from './crl-extensions.ts';
import { contextTag, DerError, type DerReader, decodeCount, readAll, TAG } from '../der/der.ts';
import { readTime } from '../der/der-time.ts';
import { readMessage } from '../der/message.ts';
import { isTolerated } from '../der/tolerances.ts';
import { type DistinguishedName, shownName, readName } from '../certificate/distinguished-name.ts';
import { type Extension, readExtensions } from '../certificate/extensions.ts';
import { keyProblemText } from '../certificate/key-strength.ts';
import { buildSerialTable, type RevokedEntry, type SerialBuckets, SerialTable } from './serial-table.ts';
import { readSigned, type SignedValue, verifySignature } from '../certificate/signature.ts';

/** Twice the size of a million entries (49 MB). The fetch of lists has a lower limit. */
const MAX_BYTES = 100_000_000;

/** The parts of an index without the bytes of the list: plain data that a worker can transfer. */
export interface CrlParts {
  /** DER of the Name. */
  readonly issuer: Uint8Array;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
  /** DER of the Extensions. */
  readonly extensions: Uint8Array | undefined;
  readonly count: number;
  readonly problem: string | undefined;
  readonly buckets: readonly SerialBuckets[];
  /** SubjectPublicKeyInfo of the key that made the signature. */
  readonly signerKey: Uint8Array | undefined;
}

/**
 * A CRL that finds entries by serial number. It is well-formed, but proven only for signers for whom
 * `findSignerProblem`, called before, returns undefined. The bytes of the list are released once a signer is known.
 */
export class CrlIndex {
  readonly issuer: DistinguishedName;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
  readonly scope: CrlScope;
  /** Why the list must not be used, for any signer. */
  readonly problem: string | undefined;
  /** Number of entries. */
  readonly count: number;
  readonly #parts: CrlParts;
  readonly #table: SerialTable;
  readonly #refused = new WeakMap<Certificate, string>();
  #signerKey: Buffer | undefined;
  #signed: SignedValue | undefined;

  constructor(parts: CrlParts, signed?: SignedValue) {
    const extensions =
      parts.extensions === undefined ? new Map() : readCopy(parts.extensions, readListExtensions);
    this.issuer = readCopy(parts.issuer, readName);
    this.thisUpdate = parts.thisUpdate;
    this.nextUpdate = parts.nextUpdate;
    this.scope = readCrlScope(extensions);
    this.problem = this.scope.problem ?? parts.problem;
    this.count = parts.count;
    this.#parts = parts;
    this.#table = new SerialTable(parts.buckets);
    this.#signerKey = parts.signerKey === undefined ? undefined : Buffer.from(parts.signerKey);
    this.#signed = signed;
  }

  /** The same index for another thread, with the signer that is known. */
  get parts(): CrlParts {
    return { ...this.#parts, signerKey: this.#signerKey };
  }

  /** The entry of a serial number in hexadecimal octets without leading zeros. */
  find(serialNumber: string): RevokedEntry | undefined {
    return this.#table.find(serialNumber);
  }

  /**
   * Whether this list should replace the other: neither its number nor its date is lower, and one is higher
   * (RFC 5280 §5.2.3). Does not check that both are of one issuer and scope.
   */
  isNewerThan(other: CrlIndex): boolean {
    const [number, before] = [this.scope.number, other.scope.number];
    const [date, dateBefore] = [this.thisUpdate.getTime(), other.thisUpdate.getTime()];
    if (before !== undefined && (number === undefined || number < before)) return false;
    return date >= dateBefore && (date > dateBefore || (number ?? 0n) > (before ?? 0n));
  }

  /** Why the key of this certificate did not sign the list; undefined when it did. The result is cached. */
  findSignerProblem(signer: Certificate): string | undefined {
    if (this.#signerKey !== undefined) {
      return this.#signerKey.equals(signer.publicKeyInfo) ? undefined : 'another key has signed it';
    }
    if (this.#signed === undefined) return 'it was never verified';
    const known = this.#refused.get(signer);
    if (known !== undefined) return known;
    const problem = findSignatureProblem(this.#signed, signer);
    if (problem === undefined) {
      this.#signerKey = Buffer.from(signer.publicKeyInfo);
      this.#signed = undefined;
    } else {
      this.#refused.set(signer, problem);
    }
    return problem;
  }
}

function findSignatureProblem(
  { tbs: data, signature, signatureAlgorithm }: SignedValue,
  signer: Certificate,
): string | undefined {
  const { scheme, name } = signatureAlgorithm;
  if (scheme === undefined) return `it is signed by ${name}, which is unknown or too weak`;
  if (signer.keyProblem !== undefined) return `the key of its issuer is ${keyProblemText(signer.keyProblem)}`;
  const isSigned = verifySignature(scheme, { data, signature, key: signer.publicKey });
  return isSigned ? undefined : 'its signature does not verify';
}

/**
 * Reads a CRL of strict DER, all of it, and indexes its entries: no BER, no bytes after the end, no disagreement of the
 * two algorithm fields. A million entries take about 19 MB; the bytes are not kept
 * when `signers` are passed: then one of these must have signed the list, which is verified before its entries are
 * read.
 *
 *     CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signatureValue BIT STRING }
 *     TBSCertList ::= SEQUENCE { version INTEGER OPTIONAL, signature, issuer, thisUpdate, nextUpdate OPTIONAL,
 *       revokedCertificates SEQUENCE OF … OPTIONAL, crlExtensions [0] OPTIONAL }
 *
 * Proves nothing about dates or scope: that is `crlStatus`.
 *
 * @throws ERR_CRL_MALFORMED, ERR_CRL_UNTRUSTED
 * @see RFC 5280 §5.1
 */
export function indexCrl(der: Uint8Array, signers?: readonly Certificate[]): CrlIndex {
  return readMessage(der, { maxBytes: MAX_BYTES, code: 'ERR_CRL_MALFORMED' }, () => {
    const list = readSigned(Buffer.from(der.buffer, der.byteOffset, der.length), readTbs);
    const signerKey = signers === undefined ? undefined : findSignerKey(list, signers);
    const entries = new CrlEntries(list.entries, list.version);
    const { buckets } = buildSerialTable(entries);
    const { thisUpdate, nextUpdate, extensions } = list;
    const parts: CrlParts = {
      issuer: Uint8Array.from(list.issuer),
      thisUpdate,
      nextUpdate,
      extensions: extensions && Uint8Array.from(extensions),
      count: entries.count,
      problem: entries.problem,
      buckets,
      signerKey,
    };
    return new CrlIndex(parts, signers === undefined ? list : undefined);
  });
}

function readTbs(fields: DerReader) {
  const version: 1 | 2 = fields.optionalContent(TAG.integer, decodeVersion) ?? 1;
  const innerAlgorithm = fields.element(TAG.sequence).raw;
  const issuer = fields.element(TAG.sequence).raw;
  if (readAll(issuer, readName).rdns.length === 0) throw new DerError('issuer is empty');
  const thisUpdate = readTime(fields);
  const hasNextUpdate = fields.nextTag === TAG.utcTime || fields.nextTag === TAG.generalizedTime;
  const nextUpdate = hasNextUpdate ? readTime(fields) : undefined;
  const entries = fields.optional(TAG.sequence)?.content;
  // RFC 5280 §5.1.2.6: without entries the field is left out.
  if (entries?.length === 0 && !isTolerated('empty-revoked-certificates', 'CRL')) {
    throw new DerError('revokedCertificates is empty');
  }
  const extensions = fields.optionalWithin(contextTag(0, 'constructed'), (list) => list.any().raw);
  if (extensions !== undefined && version === 1) throw new DerError('extensions in version 1');
  // Parsed before the signature is verified, so that only a well-formed list costs a verification.
  if (extensions !== undefined) readCrlScope(readAll(extensions, readListExtensions));
  return {
    version,
    innerAlgorithm,
    issuer,
    thisUpdate,
    nextUpdate,
    entries: entries ?? Buffer.alloc(0),
    extensions,
  };
}

function readListExtensions(reader: DerReader): ReadonlyMap<string, Extension> {
  return readExtensions(reader, 'CRL');
}

function decodeVersion(content: Buffer): 2 {
  if (decodeCount(content) !== 1) throw new DerError('version is not v2 (v1 is left out)');
  return 2;
}

function findSignerKey(
  list: SignedValue & { readonly issuer: Buffer },
  signers: readonly Certificate[],
): Uint8Array {
  const problems: string[] = [];
  for (const signer of signers) {
    const problem = findSignatureProblem(list, signer);
    if (problem === undefined) return Uint8Array.from(signer.publicKeyInfo);
    problems.push(problem);
  }
  const problem = problems[0] ?? 'no signer is known';
  throw new OpenBankingError('ERR_CRL_UNTRUSTED', {
    issuer: shownName(readAll(list.issuer, readName)),
    problem,
  });
}

function readCopy<T>(bytes: Uint8Array, read: (reader: DerReader) => T): T {
  return readAll(Buffer.from(bytes), read);
}
