import { createHash, X509Certificate } from 'node:crypto';
import { OpenBankingError } from '../errors.ts';
import { isDerSequence } from './der-form.ts';

/** The certificate whose key the peer has proved to hold, to us or to a trusted proxy. */
export interface PresentedCertificate {
  /** Exactly the bytes that the peer sent. */
  readonly der: Buffer;
  /** `x5t#S256` (RFC 8705 §3.1): SHA-256 of `der`, base64url, 43 characters. */
  readonly thumbprint: string;
  readonly certificate: X509Certificate;
}

/** The certificates of a request. */
export interface ClientCertificate {
  /** Undefined when there is none. */
  readonly certificate: PresentedCertificate | undefined;
  /** Untrusted hints for path building, and often not there: nothing may depend on them. */
  readonly intermediates: readonly Buffer[];
}

/** The certificate that TLS itself has parsed. */
export function presented(certificate: X509Certificate): PresentedCertificate {
  const der = certificate.raw;
  // The getter copies the certificate at each call, and the authorization server hashes it for each token.
  Object.defineProperty(certificate, 'raw', { value: der });
  return Object.freeze({
    der,
    thumbprint: createHash('sha256').update(der).digest('base64url'),
    certificate,
  });
}

/**
 * Reads a forwarded certificate. The thumbprint is over exactly these bytes, so they must be the one DER form of
 * the certificate: no BER, nothing after it, and OpenSSL must write it back as it came.
 *
 * @throws ERR_PROXY_HEADER
 */
export function parsePresentedCertificate(der: Buffer): PresentedCertificate {
  if (!isDerSequence(der)) throw malformedHeader('the certificate is not one DER structure');
  const value = presented(parseX509(der));
  if (!value.der.equals(der)) throw malformedHeader('the certificate is not in its own DER form');
  return value;
}

function parseX509(der: Buffer): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw malformedHeader('the certificate cannot be parsed', cause);
  }
}

/** The refusal of a forwarded value that deviates from the format of the configured proxy. */
export function malformedHeader(problem: string, cause?: unknown): OpenBankingError<'ERR_PROXY_HEADER'> {
  return new OpenBankingError('ERR_PROXY_HEADER', { problem }, { cause });
}
