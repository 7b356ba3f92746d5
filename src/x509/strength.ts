import type { KeyObject } from 'node:crypto';
import { OpenBankingError } from '../errors.ts';
import type { Certificate } from './certificate.ts';
import { formatName } from './distinguished-name.ts';

/** FAPI 2.0 §5.4.1, BCP 195: RSA of 2048 bits and more. Above 8192 a check costs more than a stranger may. */
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;
const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** Signature algorithms that are accepted, with their digest; RSASSA-PSS and SHA-1 are not among them. */
const SIGNATURES: Readonly<Record<string, { readonly key: string; readonly digest: string | null }>> = {
  '1.2.840.113549.1.1.11': { key: 'rsa', digest: 'sha256' },
  '1.2.840.113549.1.1.12': { key: 'rsa', digest: 'sha384' },
  '1.2.840.113549.1.1.13': { key: 'rsa', digest: 'sha512' },
  '1.2.840.10045.4.3.2': { key: 'ec', digest: 'sha256' },
  '1.2.840.10045.4.3.3': { key: 'ec', digest: 'sha384' },
  '1.2.840.10045.4.3.4': { key: 'ec', digest: 'sha512' },
  '1.3.101.112': { key: 'ed25519', digest: null },
};

/** @throws ERR_CERT_WEAK_KEY */
export function assertStrongKey(certificate: Certificate): void {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = certificate.publicKey;
  const bits = details.modulusLength ?? 0;
  const isStrong =
    (type === 'rsa' &&
      bits >= MIN_RSA_BITS &&
      bits <= MAX_RSA_BITS &&
      (details.publicExponent ?? 0n) >= 65_537n) ||
    (type === 'ec' && CURVES.has(details.namedCurve ?? '')) ||
    type === 'ed25519';
  if (!isStrong) {
    const key = `${type} ${details.namedCurve ?? bits}`;
    throw new OpenBankingError('ERR_CERT_WEAK_KEY', { subject: formatName(certificate.subject), key });
  }
}

/**
 * The digest with which `certificate` was signed by a key such as `issuerKey`; null where the scheme has its own.
 *
 * @throws ERR_CERT_WEAK_SIGNATURE when the algorithm is not accepted or does not fit the key
 */
export function digestOf(certificate: Certificate, issuerKey: KeyObject): string | null {
  const algorithm = SIGNATURES[certificate.signatureAlgorithm];
  if (algorithm === undefined || algorithm.key !== issuerKey.asymmetricKeyType) {
    throw new OpenBankingError('ERR_CERT_WEAK_SIGNATURE', {
      subject: formatName(certificate.subject),
      algorithm: certificate.signatureAlgorithm,
    });
  }
  return algorithm.digest;
}
