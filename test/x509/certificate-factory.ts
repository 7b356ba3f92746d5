import { constants, createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { type Certificate, parseCertificate } from '../../src/x509/certificate/certificate.ts';
import { DerReader, decodeOctetBits } from '../../src/x509/der/der.ts';
import * as der from './der-writer.ts';

/** The instant of every test here. */
export const NOW = new Date('2026-06-15T12:00:00Z');
export const NOT_BEFORE = new Date('2026-01-01T00:00:00Z');
export const NOT_AFTER = new Date('2027-01-01T00:00:00Z');
export const PURPOSE = {
  clientAuth: '1.3.6.1.5.5.7.3.2',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  any: '2.5.29.37.0',
};
export const KEY_USAGE = { digitalSignature: 0, keyEncipherment: 2, keyCertSign: 5, cRLSign: 6 };

export interface Keys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export function ecKeys(namedCurve = 'P-256'): Keys {
  return generateKeyPairSync('ec', { namedCurve });
}

export function rsaKeys(modulusLength = 2048, publicExponent = 65_537): Keys {
  return generateKeyPairSync('rsa', { modulusLength, publicExponent });
}

export function ed25519Keys(): Keys {
  return generateKeyPairSync('ed25519');
}

/** An algorithm identifier and how to sign by it. */
export interface Signer {
  readonly algorithm: Buffer;
  readonly sign: (data: Buffer, key: KeyObject) => Buffer;
}

export function ecdsaSigner(hash = 'sha256', parameters: Buffer = Buffer.alloc(0)): Signer {
  const oids: Record<string, string> = {
    sha1: '1.2.840.10045.4.1',
    sha256: '1.2.840.10045.4.3.2',
    sha384: '1.2.840.10045.4.3.3',
    sha512: '1.2.840.10045.4.3.4',
  };
  const algorithm = der.sequence(der.oid(oids[hash] ?? ''), parameters);
  return { algorithm, sign: (data, key) => sign(hash, data, key) };
}

export function rsaSigner(hash = 'sha256', parameters: Buffer = der.nothing): Signer {
  const oids: Record<string, string> = {
    md5: '1.2.840.113549.1.1.4',
    sha1: '1.2.840.113549.1.1.5',
    sha256: '1.2.840.113549.1.1.11',
    sha384: '1.2.840.113549.1.1.12',
    sha512: '1.2.840.113549.1.1.13',
  };
  const algorithm = der.sequence(der.oid(oids[hash] ?? ''), parameters);
  return { algorithm, sign: (data, key) => sign(hash, data, key) };
}

export const ed25519Signer: Signer = {
  algorithm: der.sequence(der.oid('1.3.101.112')),
  sign: (data, key) => sign(null, data, key),
};

const HASH_OIDS: Record<string, string> = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
};

/** RSASSA-PSS as stated; `stated` may disagree with what is done, or be left out. */
export function pssSigner(hash: string, saltLength: number, stated: PssParameters | null = {}): Signer {
  const hashOf = (name: string): Buffer =>
    der.sequence(der.oid(HASH_OIDS[name] ?? ''), stated?.hashParameters ?? der.nothing);
  const generator = stated?.generator ?? '1.2.840.113549.1.1.8';
  const mask = der.sequence(der.oid(generator), hashOf(stated?.mask ?? hash));
  const parameters =
    stated === null
      ? Buffer.alloc(0)
      : der.sequence(
          der.context(0, hashOf(hash)),
          der.context(1, mask),
          der.context(2, der.integer(stated.saltLength ?? saltLength)),
        );
  return {
    algorithm: der.sequence(der.oid('1.2.840.113549.1.1.10'), parameters),
    sign: (data, key) => sign(hash, data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }),
  };
}

interface PssParameters {
  readonly hashParameters?: Buffer;
  readonly generator?: string;
  readonly mask?: string;
  readonly saltLength?: number;
}

export type Attribute = readonly [type: string, value: Buffer];

/** A Name of one RDN for each argument; several attributes in one argument share an RDN. */
export function name(...rdns: readonly (readonly Attribute[])[]): Buffer {
  const attribute = ([type, value]: Attribute): Buffer => der.sequence(der.oid(type), value);
  return der.sequence(...rdns.map((rdn) => der.set(...rdn.map(attribute))));
}

/** C=GB, O=Acme, CN=… */
export function named(commonName: string): Buffer {
  return name(
    [['2.5.4.6', der.printable('GB')]],
    [['2.5.4.10', der.utf8('Acme')]],
    [['2.5.4.3', der.utf8(commonName)]],
  );
}

export function extension(type: string, value: Buffer, critical = false): Buffer {
  return der.sequence(der.oid(type), critical ? der.boolean(true) : Buffer.alloc(0), der.octetString(value));
}

export const sha1 = (bytes: Buffer): Buffer => createHash('sha1').update(bytes).digest();

export function keyIdOf(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();
}

export const basicConstraints = (isCa: boolean, pathLength?: number, critical = true): Buffer =>
  extension(
    '2.5.29.19',
    der.sequence(
      isCa ? der.boolean(true) : Buffer.alloc(0),
      pathLength === undefined ? Buffer.alloc(0) : der.integer(pathLength),
    ),
    critical,
  );
export const keyUsage = (...bits: readonly number[]): Buffer =>
  extension('2.5.29.15', der.namedBits(...bits), true);
export const extendedKeyUsage = (...purposes: readonly string[]): Buffer =>
  extension('2.5.29.37', der.sequence(...purposes.map(der.oid)));
export const subjectKeyId = (id: Buffer): Buffer => extension('2.5.29.14', der.octetString(id));
export const authorityKeyId = (id: Buffer): Buffer => extension('2.5.29.35', der.sequence(der.field(0, id)));
export const subjectAltName = (...names: readonly Buffer[]): Buffer =>
  extension('2.5.29.17', der.sequence(...names));
export const policies = (...oids: readonly string[]): Buffer =>
  extension('2.5.29.32', der.sequence(...oids.map((policy) => der.sequence(der.oid(policy)))));

/** GeneralNames, for subjectAltName and name constraints. */
export const general = {
  email: (text: string): Buffer => der.field(1, Buffer.from(text, 'latin1')),
  dns: (text: string): Buffer => der.field(2, Buffer.from(text, 'latin1')),
  directory: (value: Buffer): Buffer => der.context(4, value),
  uri: (text: string): Buffer => der.field(6, Buffer.from(text, 'latin1')),
  ip: (...octets: readonly number[]): Buffer => der.field(7, Buffer.from(octets)),
  other: (type: string, text: string): Buffer =>
    der.context(0, der.oid(type), der.context(0, der.utf8(text))),
};

export function nameConstraints(lists: {
  permitted?: readonly Buffer[];
  excluded?: readonly Buffer[];
}): Buffer {
  const subtrees = (number: number, bases: readonly Buffer[] | undefined): Buffer =>
    bases === undefined ? Buffer.alloc(0) : der.context(number, ...bases.map((base) => der.sequence(base)));
  const value = der.sequence(subtrees(0, lists.permitted), subtrees(1, lists.excluded));
  return extension('2.5.29.30', value, true);
}

/** Someone with a certificate and the key to it. */
export interface Party {
  readonly der: Buffer;
  readonly certificate: Certificate;
  readonly keys: Keys;
  readonly name: Buffer;
}

/** Everything about a certificate that a test may want to say otherwise. */
export interface CertificateOptions {
  readonly subject?: Buffer;
  /** Absent: self-signed. */
  readonly issuer?: Pick<Party, 'keys' | 'name'>;
  readonly keys?: Keys;
  /** Whole list; absent: those that a certificate of its kind has. */
  readonly extensions?: readonly Buffer[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly signer?: Signer;
  /** Raw fields, in place of the right ones. */
  readonly raw?: {
    readonly version?: Buffer;
    readonly serial?: Buffer;
    readonly issuer?: Buffer;
    readonly validity?: Buffer;
    readonly publicKey?: Buffer;
    readonly extensions?: Buffer;
    readonly outerAlgorithm?: Buffer;
    readonly signature?: (right: Buffer) => Buffer;
  };
}

const shared = ecKeys();
let serial = 0x1000;

/** The DER of a certificate, valid unless the options say otherwise. */
export function writeCertificate(options: CertificateOptions): Buffer {
  const { keys = shared, raw = {} } = options;
  const subject = options.subject ?? named('tpp');
  const issuer = options.issuer ?? { keys, name: subject };
  const signer = options.signer ?? signerFor(issuer.keys);
  serial += 1;
  const tbs = der.sequence(
    raw.version ?? der.context(0, der.integer(2)),
    raw.serial ?? der.integer(serial),
    signer.algorithm,
    raw.issuer ?? issuer.name,
    raw.validity ??
      der.sequence(der.time(options.notBefore ?? NOT_BEFORE), der.time(options.notAfter ?? NOT_AFTER)),
    subject,
    raw.publicKey ?? keys.publicKey.export({ type: 'spki', format: 'der' }),
    raw.extensions ??
      der.context(3, der.sequence(...(options.extensions ?? endEntityExtensions(keys, issuer.keys)))),
  );
  const signature = der.bitString(signer.sign(tbs, issuer.keys.privateKey));
  return der.sequence(tbs, raw.outerAlgorithm ?? signer.algorithm, raw.signature?.(signature) ?? signature);
}

function signerFor(keys: Keys): Signer {
  switch (keys.privateKey.asymmetricKeyType) {
    case 'rsa':
      return rsaSigner();
    case 'ed25519':
      return ed25519Signer;
    default:
      return ecdsaSigner();
  }
}

export function endEntityExtensions(keys: Keys, issuer: Keys): Buffer[] {
  return [
    basicConstraints(false),
    keyUsage(KEY_USAGE.digitalSignature),
    extendedKeyUsage(PURPOSE.clientAuth),
    subjectKeyId(keyIdOf(keys.publicKey)),
    authorityKeyId(keyIdOf(issuer.publicKey)),
  ];
}

export function authorityExtensions(keys: Keys, issuer: Keys): Buffer[] {
  return [
    basicConstraints(true),
    keyUsage(KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign),
    subjectKeyId(keyIdOf(keys.publicKey)),
    authorityKeyId(keyIdOf(issuer.publicKey)),
  ];
}

export type Kind = 'authority' | 'end entity';

/** `extra` extensions are added to those of the kind, replacing the same type; `without` leaves types out. */
export interface IssueOptions extends CertificateOptions {
  readonly extra?: readonly Buffer[];
  readonly without?: readonly string[];
}

/** The DER of a certificate of a kind. */
export function write(kind: Kind, options: IssueOptions & { readonly keys: Keys }): Buffer {
  const { keys, extra = [], without = [] } = options;
  const issuer = options.issuer?.keys ?? keys;
  const usual = kind === 'authority' ? authorityExtensions(keys, issuer) : endEntityExtensions(keys, issuer);
  const dropped = [...extra.map(typeOf), ...without.map(der.oid)];
  const kept = usual.filter((one) => !dropped.some((type) => typeOf(one).equals(type)));
  return writeCertificate({ ...options, extensions: options.extensions ?? [...kept, ...extra] });
}

/** Issues a certificate that parses. */
export function issue(kind: Kind, commonName: string, options: IssueOptions = {}): Party {
  const keys = options.keys ?? ecKeys();
  const subject = options.subject ?? named(commonName);
  const bytes = write(kind, { ...options, keys, subject });
  return { der: bytes, certificate: parseCertificate(bytes), keys, name: subject };
}

/** The OBJECT IDENTIFIER element of an extension of less than 128 or up to 64k octets. */
function typeOf(encoded: Buffer): Buffer {
  const start = (encoded[1] ?? 0) < 0x80 ? 2 : 2 + ((encoded[1] ?? 0) & 0x7f);
  return encoded.subarray(start, start + 2 + (encoded[start + 1] ?? 0));
}

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/**
 * The same certificate with the other signature that verifies: s turned to n - s. Anyone can make it, and its
 * thumbprint differs (threats §0.4). For certificates signed with P-256.
 */
export function twinOf(certificate: Buffer): Buffer {
  const fields = new DerReader(new DerReader(certificate).content(0x30));
  const [tbs, algorithm] = [fields.any().raw, fields.any().raw];
  const signature = new DerReader(new DerReader(decodeOctetBits(fields.content(0x03))).content(0x30));
  const r = signature.any().raw;
  const s = BigInt(`0x${signature.content(0x02).toString('hex')}`);
  return der.sequence(tbs, algorithm, der.bitString(der.sequence(r, der.integer(P256_ORDER - s))));
}
