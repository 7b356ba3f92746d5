import { OpenBankingError } from '../../errors.ts';

/** 32 bytes in base64url without padding, and no other spelling of them. */
const DIGEST = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** How a token is bound to its sender: to a certificate (RFC 8705), to a DPoP key (RFC 9449), or to both. */
export type SenderConstraint = 'certificate' | 'certificate-and-dpop' | 'dpop';

/** The confirmations that the presenter of a token must prove, all of them (RFC 7800). At least one is there. */
export interface Confirmation {
  /** `x5t#S256` of the certificate. */
  readonly thumbprint?: string;
  /** RFC 7638 thumbprint of a DPoP key (RFC 9449 §6). */
  readonly jkt?: string;
}

/**
 * Reads the confirmation of a token: a certificate, a DPoP key, or both. Every confirmation must hold (RFC 7800 §3.1),
 * so a token with one that we do not know how to prove is refused, and so is one whose constraint is not `accepted`.
 *
 * @throws ERR_TOKEN_UNBOUND
 * @see RFC 8705 §3.1, RFC 9449 §6.1
 */
export function parseConfirmation(
  confirmation: unknown,
  accepted: readonly SenderConstraint[],
): Confirmation {
  if (typeof confirmation !== 'object' || confirmation === null || Array.isArray(confirmation)) {
    throw unbound('cnf is missing or not an object');
  }
  const { 'x5t#S256': thumbprint, jkt, ...more } = confirmation as Readonly<Record<string, unknown>>;
  if (Object.keys(more).length > 0) throw unbound('cnf has a member besides x5t#S256 and jkt');
  const parsed = Object.freeze({
    ...('x5t#S256' in confirmation ? { thumbprint: digestIn(thumbprint, 'x5t#S256') } : {}),
    ...('jkt' in confirmation ? { jkt: digestIn(jkt, 'jkt') } : {}),
  });
  const constraint = constraintOf(parsed);
  if (constraint === undefined) throw unbound('cnf is empty');
  if (!accepted.includes(constraint)) throw unbound(`this API does not accept the constraint ${constraint}`);
  return parsed;
}

function constraintOf({ thumbprint, jkt }: Confirmation): SenderConstraint | undefined {
  if (thumbprint === undefined) return jkt === undefined ? undefined : 'dpop';
  return jkt === undefined ? 'certificate' : 'certificate-and-dpop';
}

function digestIn(value: unknown, name: string): string {
  if (typeof value !== 'string' || !DIGEST.test(value)) throw unbound(`${name} is not 32 bytes in base64url`);
  return value;
}

function unbound(problem: string): OpenBankingError<'ERR_TOKEN_UNBOUND'> {
  return new OpenBankingError('ERR_TOKEN_UNBOUND', { problem });
}
