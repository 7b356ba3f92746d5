import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { OpenBankingError } from '../errors.ts';
import {
  contextTag,
  DerError,
  DerReader,
  decodeCount,
  decodeInteger,
  decodeNamedBits,
  decodeOctetBits,
  readAll,
  TAG,
} from './der.ts';
import { readTime } from './der-time.ts';
import { type DistinguishedName, readName } from './distinguished-name.ts';

const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsage = (typeof KEY_USAGES)[number];

export interface Extension {
  readonly critical: boolean;
  readonly value: Buffer;
}

export type GeneralName =
  | { readonly kind: 'dns' | 'uri' | 'email'; readonly value: string }
  | { readonly kind: 'ip'; readonly value: Buffer }
  | { readonly kind: 'other'; readonly value: Buffer };

/** A certificate that is strict DER and follows RFC 5280 §4.1. Nothing of it is verified. Frozen. */
export interface Certificate {
  /** Exactly the bytes that were given. */
  readonly der: Buffer;
  /** `x5t#S256`: SHA-256 of `der`, base64url. */
  readonly thumbprint: string;
  /** Lower-case hexadecimal. */
  readonly serialNumber: string;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: KeyObject;
  /** The part that the issuer signed. */
  readonly tbs: Buffer;
  readonly signatureAlgorithm: string;
  readonly signature: Buffer;
  readonly extensions: ReadonlyMap<string, Extension>;
  readonly keyUsage?: ReadonlySet<KeyUsage>;
  readonly extendedKeyUsage?: readonly string[];
  readonly basicConstraints?: { readonly isCa: boolean; readonly pathLength?: number };
  readonly subjectAlternativeNames: readonly GeneralName[];
}

export const EXTENSION = Object.freeze({
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  extendedKeyUsage: '2.5.29.37',
  qcStatements: '1.3.6.1.5.5.7.1.3',
});

/** RFC 5280 §4.1.2.2. */
const MAX_SERIAL_OCTETS = 20;
/** A certificate of a path in use has about 2 kB; OpenSSL accepts messages up to 100 kB. */
const MAX_CERTIFICATE_BYTES = 64 * 1024;

/**
 * Parses a certificate of version 3.
 *
 *     Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }
 *
 * @throws ERR_CERT_MALFORMED
 * @see RFC 5280 §4.1
 */
export function parseCertificate(bytes: Uint8Array): Certificate {
  const der = Buffer.from(bytes);
  try {
    if (der.length > MAX_CERTIFICATE_BYTES) throw new DerError('the certificate is too large');
    return readAll(der, (outer) => outer.within(TAG.sequence, (reader) => readCertificate(reader, der)));
  } catch (error) {
    if (error instanceof OpenBankingError) throw error;
    const problem = error instanceof DerError ? error.message : 'the key or a value cannot be read';
    throw new OpenBankingError('ERR_CERT_MALFORMED', { problem }, { cause: error });
  }
}

function readCertificate(reader: DerReader, der: Buffer): Certificate {
  const tbs = reader.element(TAG.sequence);
  const outerAlgorithm = reader.element(TAG.sequence);
  const signature = decodeOctetBits(reader.content(TAG.bitString));
  const body = readAll(tbs.content, readBody);
  if (!body.algorithm.equals(outerAlgorithm.raw)) throw new DerError('signature algorithms differ');
  const { algorithm, ...fields } = body;
  return Object.freeze({
    der,
    thumbprint: createHash('sha256').update(der).digest('base64url'),
    tbs: tbs.raw,
    signatureAlgorithm: new DerReader(outerAlgorithm.content).oid(),
    signature,
    ...fields,
    ...readUsages(fields.extensions),
  });
}

function readBody(reader: DerReader) {
  const version = reader.within(contextTag(0, 'constructed'), (inner) =>
    decodeCount(inner.content(TAG.integer)),
  );
  if (version !== 2) throw new DerError('not a version 3 certificate');
  const serial = decodeInteger(reader.content(TAG.integer));
  if (
    serial.length > MAX_SERIAL_OCTETS ||
    (serial[0] ?? 0x80) >= 0x80 ||
    serial.every((octet) => octet === 0)
  ) {
    throw new DerError('the serial number is not positive, or longer than 20 octets');
  }
  const algorithm = reader.element(TAG.sequence).raw;
  const issuer = readName(reader);
  if (issuer.rdns.length === 0) throw new DerError('the issuer is empty');
  const { notBefore, notAfter } = reader.within(TAG.sequence, (times) => ({
    notBefore: readTime(times),
    notAfter: readTime(times),
  }));
  const subject = readName(reader);
  const publicKey = createPublicKey({ key: reader.element(TAG.sequence).raw, format: 'der', type: 'spki' });
  const extensions =
    reader.optionalWithin(contextTag(3, 'constructed'), (inner) =>
      inner.within(TAG.sequence, readExtensions),
    ) ?? new Map<string, Extension>();
  return {
    algorithm,
    serialNumber: serial.toString('hex'),
    issuer,
    notBefore,
    notAfter,
    subject,
    publicKey,
    extensions,
  };
}

function readExtensions(reader: DerReader): ReadonlyMap<string, Extension> {
  const found = new Map<string, Extension>();
  reader.all((one) =>
    one.within(TAG.sequence, (extension) => {
      const oid = extension.oid();
      if (found.has(oid)) throw new DerError(`extension ${oid} is there twice`);
      found.set(oid, { critical: extension.flag(), value: extension.content(TAG.octetString) });
    }),
  );
  return found;
}

function readUsages(extensions: ReadonlyMap<string, Extension>) {
  const read = <T>(oid: string, how: (reader: DerReader) => T): T | undefined => {
    const extension = extensions.get(oid);
    return extension === undefined ? undefined : readAll(extension.value, how);
  };
  const keyUsage = read(
    EXTENSION.keyUsage,
    (reader) =>
      new Set(decodeNamedBits(reader.content(TAG.bitString)).flatMap((bit) => KEY_USAGES[bit] ?? [])),
  );
  const extendedKeyUsage = read(EXTENSION.extendedKeyUsage, (reader) =>
    reader.within(TAG.sequence, (list) => list.all((one) => one.oid())),
  );
  const basicConstraints = read(EXTENSION.basicConstraints, (reader) =>
    reader.within(TAG.sequence, (inner) => {
      const isCa = inner.flag();
      const length = inner.optional(TAG.integer);
      return { isCa, ...(length === undefined ? {} : { pathLength: decodeCount(length.content) }) };
    }),
  );
  return {
    ...(keyUsage === undefined ? {} : { keyUsage }),
    ...(extendedKeyUsage === undefined ? {} : { extendedKeyUsage }),
    ...(basicConstraints === undefined ? {} : { basicConstraints }),
    subjectAlternativeNames:
      read(EXTENSION.subjectAlternativeName, (reader) =>
        reader.within(TAG.sequence, (list) => list.all(readGeneralName)),
      ) ?? [],
  };
}

function readGeneralName(reader: DerReader): GeneralName {
  const { tag, content, raw } = reader.any();
  const kind = ({ 129: 'email', 130: 'dns', 134: 'uri' } as const)[tag];
  if (kind !== undefined) {
    if (!/^[\x21-\x7e]+$/.test(content.toString('latin1'))) throw new DerError(`the ${kind} name is not IA5`);
    return { kind, value: content.toString('latin1') };
  }
  if (tag === 0x87) return { kind: 'ip', value: content };
  return { kind: 'other', value: raw };
}

const PEM_BLOCK =
  /-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE-----(?:\r?\n|$)/g;

/**
 * The DER of every CERTIFICATE block of a PEM file (RFC 7468 §5). Text between blocks is allowed, other blocks
 * are not.
 *
 * @throws ERR_CERT_MALFORMED
 */
export function parsePem(text: string): Buffer[] {
  const blocks = [...text.matchAll(PEM_BLOCK)].map((match) => Buffer.from(match[1] ?? '', 'base64'));
  const begun = text.split('-----BEGIN ').length - 1;
  if (blocks.length === 0 || begun !== blocks.length) {
    throw new OpenBankingError('ERR_CERT_MALFORMED', {
      problem: 'the PEM holds something else than certificates',
    });
  }
  return blocks;
}
