import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { invalidConfig, type OpenBankingError } from '../errors.ts';
import { CERTIFICATE_BLOCK, findChainProblems } from './chain-problems.ts';

/** A certificate with its chain, and its private key, as one end of a TLS connection uses them. */
export interface KeyPair {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** PEM of issuers that the chain may lack. */
  readonly issuersPem: string;
  /** DER of the certificate of the key, without its chain. */
  readonly certificateDer: Buffer;
  /** Faults of the chain that only some clients notice: one sentence each. */
  readonly chainProblems: readonly string[];
  /** Until when the certificate is valid. */
  readonly notAfter: Date;
}

export interface KeyPairOptions {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  /** The field above `certificateFile` and `privateKeyFile`, such as `tls`. */
  readonly place: string;
  readonly at: Date;
  /** PEM of issuers that the chain may lack. Default: none. */
  readonly issuersPem?: string;
}

/** RFC 9325 §4.5. */
const MIN_RSA_BITS = 2048;
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];

/**
 * Reads a certificate, its chain and its key, and proves that they belong together and are valid at `at`. Does not
 * check that the chain leads to a root that clients trust, nor the names in the certificate.
 *
 * @throws ERR_CONFIG_INVALID with the field that is wrong
 */
export function parseKeyPair(
  certificatePem: string,
  privateKeyPem: string,
  { place, at, issuersPem = '', ...files }: KeyPairOptions,
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
  });
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
    key.asymmetricKeyType === 'rsa' ? modulusLength >= MIN_RSA_BITS : CURVES.includes(namedCurve);
  if (!isUsable) throw wrong('must be RSA of at least 2048 bits, or EC on P-256, P-384 or P-521');
  return key;
}

function shownSubject({ subject }: X509Certificate): string {
  return (subject ?? '').replaceAll('\n', ', ').slice(0, 100);
}
