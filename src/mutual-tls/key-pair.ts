import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { invalidConfig, type OpenBankingError } from '../errors.ts';
import { CERTIFICATE_BLOCK, findChainProblems } from './chain-problems.ts';

/** The PEM of a certificate with its chain, and of its private key. */
export interface PemPair {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** The certificate of a listener with an RSA or EC key, or two: one of each. */
export interface ServedPair extends PemPair {
  readonly second?: PemPair;
}

/** A certificate with its chain, and its private key, as one end of a TLS connection uses them. */
export interface KeyPair extends PemPair {
  /** PEM of issuers that the chain may lack. */
  readonly issuersPem: string;
  /** DER of the certificate of the key, without its chain. */
  readonly certificateDer: Buffer;
  /** Faults of the chain that only some clients notice: one sentence each. */
  readonly chainProblems: readonly string[];
  /** Until when the certificate is valid. */
  readonly notAfter: Date;
  readonly keyType: KeyType;
  /** How TLS 1.3 names signatures by this key, where the key is EC (RFC 8446 §4.2.3). */
  readonly ecdsaAlgorithm: string | undefined;
  /** The certificate whose key has the other type, where a listener has two. */
  readonly second?: KeyPair;
}

export type KeyType = 'RSA' | 'EC';

export interface KeyPairOptions {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  /** The field above `certificateFile` and `privateKeyFile`, such as `tls`. */
  readonly place: string;
  readonly at: Date;
  /** PEM of issuers that the chain may lack. Default: none. */
  readonly issuersPem?: string;
  /** The type of the other certificate's key, where a listener has two: a key of this type is refused. */
  readonly otherType?: KeyType | undefined;
}

/** RFC 9325 §4.5. */
const MIN_RSA_BITS = 2048;
/** The signature algorithm of TLS 1.3 for each accepted curve, as `getSharedSigalgs` names it. */
const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['prime256v1', 'ECDSA+SHA256'],
  ['secp384r1', 'ECDSA+SHA384'],
  ['secp521r1', 'ECDSA+SHA512'],
]);

/**
 * Reads a certificate, its chain and its key, and proves that they belong together and are valid at `at`. Does not
 * check that the chain leads to a root that clients trust, nor the names in the certificate.
 *
 * @throws ERR_CONFIG_INVALID with the field that is wrong
 */
export function parseKeyPair(
  certificatePem: string,
  privateKeyPem: string,
  { place, at, issuersPem = '', otherType, ...files }: KeyPairOptions,
): KeyPair {
  const wrong = (field: 'certificateFile' | 'privateKeyFile', message: string, cause?: unknown) =>
    invalidConfig(files[field], [{ path: `${place}.${field}`, message }], cause);
  const [own, ...others] = parseCertificates(certificatePem, (...fault) =>
    wrong('certificateFile', ...fault),
  );
  const key = parseKey(privateKeyPem, (...fault) => wrong('privateKeyFile', ...fault));
  if (!own.checkPrivateKey(key)) {
    const position = others.findIndex((other) => other.checkPrivateKey(key)) + 2;
    throw position > 1
      ? wrong('certificateFile', `must begin with the certificate of the key, which is number ${position}`)
      : wrong('privateKeyFile', `is the key of another certificate than ${shownSubject(own)}`);
  }
  const keyType = key.asymmetricKeyType === 'rsa' ? 'RSA' : 'EC';
  if (keyType === otherType)
    throw wrong('privateKeyFile', `is ${keyType}, as the key of the other certificate is`);
  const { validFromDate, validToDate } = own;
  if (validToDate <= at) throw wrong('certificateFile', `has expired on ${validToDate.toISOString()}`);
  if (validFromDate > at)
    throw wrong('certificateFile', `is not valid before ${validFromDate.toISOString()}`);
  return Object.freeze({
    certificatePem,
    privateKeyPem,
    certificateDer: own.raw,
    issuersPem,
    chainProblems: findChainProblems([own, ...others], { at, issuersPem }),
    notAfter: validToDate,
    keyType,
    ecdsaAlgorithm: ALGORITHMS.get(key.asymmetricKeyDetails?.namedCurve ?? ''),
  });
}

/**
 * The certificate that a handshake will show, of a pair and its second; called when the ClientHello is read. Undefined without
 * a socket, and where the ClientHello leaves the choice open: with TLS 1.2 a client that verifies ECDSA may still
 * offer suites of RSA alone, and node does not name the suites.
 */
export function expectedPair(pair: KeyPair, socket: TLSSocket | undefined): KeyPair | undefined {
  const { second } = pair;
  if (second === undefined) return pair;
  if (socket === undefined) return undefined;
  const [ec, rsa] = pair.keyType === 'EC' ? [pair, second] : [second, pair];
  const shared = socket.getSharedSigalgs();
  // The server chooses by its own order, in which ECDSA comes first.
  if (socket.getProtocol() === 'TLSv1.3') return shared.includes(ec.ecdsaAlgorithm ?? '') ? ec : rsa;
  return shared.some((algorithm) => algorithm.startsWith('ECDSA')) ? undefined : rsa;
}

/** TLS 1.3, and for TLS 1.2 the suites that BCP 195 recommends (RFC 9325 §4.2), for RSA and for EC keys. */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_AES_128_GCM_SHA256',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':');

/** The suites of a listener, which chooses by this order. */
export const SUITES = Object.freeze({ ciphers: CIPHERS, honorCipherOrder: true });

/** The certificates and keys of a secure context. */
export function servedPems({ second, ...first }: ServedPair): {
  readonly cert: string[];
  readonly key: string[];
} {
  const pairs = second === undefined ? [first] : [first, second];
  return {
    cert: pairs.map(({ certificatePem }) => certificatePem),
    key: pairs.map(({ privateKeyPem }) => privateKeyPem),
  };
}

type Wrong = (message: string, cause?: unknown) => OpenBankingError;

function parseCertificates(pem: string, wrong: Wrong): [X509Certificate, ...X509Certificate[]] {
  const [first, ...more] = (pem.match(CERTIFICATE_BLOCK) ?? []).map((block, at) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw wrong(`holds a certificate that cannot be read, number ${at + 1}`, cause);
    }
  });
  if (first !== undefined) return [first, ...more];
  if (pem.includes('PRIVATE KEY-----')) throw wrong('is a private key: are the two files mixed up?');
  throw wrong('is no PEM: there is no block BEGIN CERTIFICATE');
}

function parseKey(pem: string, wrong: Wrong): KeyObject {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(pem)) {
    throw wrong('is encrypted, and there is no field for a passphrase: store the key decrypted, mode 0600');
  }
  if (!pem.includes('PRIVATE KEY-----')) {
    throw pem.includes('BEGIN CERTIFICATE-----')
      ? wrong('is a certificate: are the two files mixed up?')
      : wrong('is no PEM: there is no block BEGIN PRIVATE KEY');
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw wrong('holds a private key that cannot be read', cause);
  }
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  const isUsable =
    key.asymmetricKeyType === 'rsa' ? modulusLength >= MIN_RSA_BITS : ALGORITHMS.has(namedCurve);
  if (!isUsable) throw wrong('must be RSA of at least 2048 bits, or EC on P-256, P-384 or P-521');
  return key;
}

function shownSubject({ subject }: X509Certificate): string {
  return (subject ?? '').replaceAll('\n', ', ').slice(0, 100);
}
