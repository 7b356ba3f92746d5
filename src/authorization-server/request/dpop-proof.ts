import type { IncomingMessage } from 'node:http';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, type ProtectedHeaderParameters } from 'jose';
import type { Client } from 'oidc-provider';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { findJwkProblem } from '../../x509/certificate/public-jwk.ts';
import { isBoundToKey, PROOF_ALGORITHMS, senderConstraintOf } from '../profiles/sender-constraint.ts';

const MAX_PROOF_CHARACTERS = 4096;
const MAX_JTI_CHARACTERS = 256;
/** Well below the time for which the provider remembers a `jti`, also from the latest `iat` on. */
const MAX_AGE_SECONDS = 60;
/** FAPI 2.0 §5.3.2.1: up to 10 s ahead must pass. */
const CLOCK_TOLERANCE_SECONDS = 10;

/** Whether the request has a DPoP field, with a proof or without. */
export function hasProof({ headers }: IncomingMessage): boolean {
  return headers.dpop !== undefined;
}

/**
 * The rules of a DPoP proof (RFC 9449 §4.3) that the provider does not have: one field, its size, the strength of the key
 * (FAPI 2.0 §5.4.1), the size of `jti`, and how old or new `iat` may be, also beside a nonce.
 *
 * Does not verify the signature, nor the request that the proof is for: the provider does.
 *
 * @throws ERR_DPOP_PROOF
 */
export function assertProofForm({ rawHeaders }: IncomingMessage, clock: Clock): void {
  const [proof = '', ...more] = rawHeaders.filter(
    (_, at) => rawHeaders[at - 1]?.toLowerCase() === 'dpop' && at % 2 === 1,
  );
  if (more.length > 0) throw refusedProof('there is more than one proof');
  if (proof.length > MAX_PROOF_CHARACTERS) {
    throw refusedProof(`the proof is longer than ${MAX_PROOF_CHARACTERS} characters`);
  }
  const { header, claims } = decoded(proof);
  const problem = findHeaderProblem(header) ?? findClaimsProblem(claims, epochSeconds(clock.now()));
  if (problem !== undefined) throw refusedProof(problem);
}

function decoded(proof: string): { readonly header: ProtectedHeaderParameters; readonly claims: JWTPayload } {
  try {
    return { header: decodeProtectedHeader(proof), claims: decodeJwt(proof) };
  } catch (cause) {
    throw refusedProof('the proof is no signed JWT', cause);
  }
}

function findHeaderProblem({ typ, alg, jwk, crit }: ProtectedHeaderParameters): string | undefined {
  if (typ !== 'dpop+jwt') return 'typ must be dpop+jwt';
  if (!PROOF_ALGORITHMS.some((known) => known === alg)) {
    return `alg must be one of ${PROOF_ALGORITHMS.join(', ')}`;
  }
  if (crit !== undefined) return 'the header must not have crit';
  if (typeof jwk !== 'object' || jwk === null) return 'the header must have a jwk';
  const problem = findJwkProblem({ ...jwk });
  return problem && `the jwk ${problem}`;
}

function findClaimsProblem({ jti, iat }: JWTPayload, now: number): string | undefined {
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_CHARACTERS) {
    return `jti must be a text of at most ${MAX_JTI_CHARACTERS} characters`;
  }
  if (typeof iat !== 'number') return 'iat must be a number';
  if (now - iat > MAX_AGE_SECONDS + CLOCK_TOLERANCE_SECONDS) {
    return `iat is more than ${MAX_AGE_SECONDS} seconds ago`;
  }
  if (iat - now > CLOCK_TOLERANCE_SECONDS) {
    return `iat is more than ${CLOCK_TOLERANCE_SECONDS} seconds in the future`;
  }
  return undefined;
}

/** Whether a value of `dpop_jkt` is a thumbprint (RFC 9449 §10, RFC 7638): SHA-256 in base64url. */
export function isThumbprint(value: unknown): boolean {
  return typeof value === 'string' && /^[\w-]{43}$/.test(value);
}

/**
 * A client whose tokens are bound to no DPoP key sends no proof and no `dpop_jkt`: neither would count.
 *
 * @throws ERR_DPOP_UNREGISTERED
 */
export function assertDpopRegistered(
  client: Client,
  sent: { readonly proof?: boolean; readonly jkt?: unknown },
): void {
  if (isBoundToKey(senderConstraintOf(client))) return;
  if (sent.proof || sent.jkt)
    throw new OpenBankingError('ERR_DPOP_UNREGISTERED', { clientId: client.clientId });
}

export function refusedProof(problem: string, cause?: unknown): OpenBankingError<'ERR_DPOP_PROOF'> {
  return new OpenBankingError('ERR_DPOP_PROOF', { problem }, { cause });
}
