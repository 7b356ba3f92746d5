import { timingSafeEqual } from 'node:crypto';
import { OpenBankingError } from '../errors.ts';
import type { PresentedCertificate } from '../mutual-tls/client-certificate.ts';

/** 32 bytes in base64url without padding, and no other spelling of them. */
const THUMBPRINT = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/**
 * The thumbprint that a token is bound to. Every confirmation of a token must hold (RFC 7800 §3.1) and this is
 * the only one that we know how to prove, so a token with another one besides is refused as well.
 *
 * @throws ERR_TOKEN_UNBOUND
 * @see RFC 8705 §3.1
 */
export function boundThumbprint(confirmation: unknown): string {
  if (typeof confirmation !== 'object' || confirmation === null || Array.isArray(confirmation)) {
    throw unbound('cnf is missing or not an object');
  }
  const members = Object.keys(confirmation);
  if (members.length !== 1 || !('x5t#S256' in confirmation)) throw unbound('cnf is not exactly x5t#S256');
  const thumbprint = confirmation['x5t#S256'];
  if (typeof thumbprint !== 'string' || !THUMBPRINT.test(thumbprint)) {
    throw unbound('x5t#S256 is not 32 bytes in base64url');
  }
  return thumbprint;
}

/**
 * Proves that the presented certificate is the one that the token is bound to. Compares decoded bytes in
 * constant time.
 *
 * @throws ERR_TOKEN_BINDING
 */
export function verifyBinding(thumbprint: string, presented: PresentedCertificate): void {
  const bound = Buffer.from(thumbprint, 'base64url');
  const seen = Buffer.from(presented.thumbprint, 'base64url');
  if (bound.length !== seen.length || !timingSafeEqual(bound, seen)) {
    throw new OpenBankingError('ERR_TOKEN_BINDING', {
      bound: bound.toString('hex').slice(0, 16),
      presented: seen.toString('hex').slice(0, 16),
    });
  }
}

function unbound(problem: string): OpenBankingError<'ERR_TOKEN_UNBOUND'> {
  return new OpenBankingError('ERR_TOKEN_UNBOUND', { problem });
}
