import { createHash } from 'node:crypto';
import {
  calculateJwkThumbprint,
  compactVerify,
  decodeProtectedHeader,
  errors,
  importJWK,
  type JWK,
} from 'jose';
import { OpenBankingError } from '../../errors.ts';
import { findJwkProblem } from '../../x509/certificate/public-jwk.ts';
import { isSameDigest } from '../token/certificate-binding.ts';
import type { ClaimProof } from './dpop-replay.ts';
import { fieldsNamed, type RequestFacts } from '../token/presented-token.ts';
import { ALGORITHMS } from '../token/compact-signature.ts';

export interface DpopRules {
  /** Scheme and authority under which clients know this API; never taken from the request's Host. */
  readonly origin: string;
  readonly maxAgeSeconds: number;
  readonly clockToleranceSeconds: number;
  readonly claimProof: ClaimProof;
  /** Absent: no nonce is required. @throws ERR_DPOP_NONCE */
  readonly verifyNonce: ((nonce: unknown) => void) | undefined;
}

const MAX_PROOF_CHARACTERS = 4096;
const MAX_JTI_CHARACTERS = 256;
const KEY_TYPES: readonly unknown[] = ['EC', 'RSA', 'OKP'];

/** A proof that is signed with the key that it names. Nothing else about it is proved. */
export interface SignedProof {
  /** RFC 7638 thumbprint of the key. */
  readonly jkt: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * Reads the one proof of a request: the checks of RFC 9449 §4.3 that depend on the proof alone.
 *
 * @throws ERR_DPOP_PROOF
 */
export async function readDpopProof({ rawHeaders }: RequestFacts): Promise<SignedProof> {
  const [proof, more] = fieldsNamed(rawHeaders, 'dpop');
  if (proof === undefined) throw refused('there is no proof');
  if (more !== undefined) throw refused('there is more than one proof');
  if (proof.length > MAX_PROOF_CHARACTERS) throw refused('the proof is too long');
  try {
    return await signedProof(proof);
  } catch (cause) {
    // A proof that cannot be read proves nothing, whatever error a library throws for the bytes of a stranger.
    if (cause instanceof OpenBankingError) throw cause;
    throw refused(cause instanceof errors.JOSEError ? cause.code : 'it cannot be read', cause);
  }
}

/** The token of a request, and the holder that its proofs are counted for. */
export interface BoundToken {
  readonly jkt: string;
  readonly token: string;
  readonly holder: string;
  readonly now: number;
}

/**
 * Proves that the request was made by the holder of the DPoP key that the token is bound to, for this request and
 * for the first time: the other checks of RFC 9449 §4.3.
 *
 * @throws ERR_DPOP_PROOF, ERR_DPOP_NONCE, ERR_DPOP_UNAVAILABLE
 */
export async function verifyDpopProof(
  { jkt, claims }: SignedProof,
  { request, ...bound }: BoundToken & { readonly request: RequestFacts },
  rules: DpopRules,
): Promise<void> {
  if (!isSameDigest(jkt, bound.jkt)) throw refused('the key is not the one that the token is bound to');
  const { jti, htm, htu, iat, ath } = claims;
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_CHARACTERS) throw refused('jti');
  if (htm !== request.method) throw refused('htm is not the method of the request');
  // Not resolved against the origin: a target such as `https://other/` or `//other/` would bring its own.
  if (!request.url.startsWith('/')) throw refused('the target of the request is no path');
  if (typeof htu !== 'string' || !isSameTarget(htu, `${rules.origin}${request.url}`)) {
    throw refused('htu is not the address of the request');
  }
  if (typeof iat !== 'number' || !Number.isFinite(iat)) throw refused('iat is missing');
  const ageSeconds = bound.now - iat;
  if (ageSeconds > rules.maxAgeSeconds + rules.clockToleranceSeconds) throw refused('iat is too long ago');
  if (ageSeconds < -rules.clockToleranceSeconds) throw refused('iat is in the future');
  const hash = createHash('sha256').update(bound.token).digest('base64url');
  if (typeof ath !== 'string' || !isSameDigest(ath, hash)) throw refused('ath is not the hash of the token');
  rules.verifyNonce?.(claims.nonce);
  // Over the values, not the text of the proof: one signature has several spellings in base64url.
  const id = createHash('sha256')
    .update(JSON.stringify([bound.jkt, jti]))
    .digest('base64url');
  const until = new Date((iat + rules.maxAgeSeconds + 2 * rules.clockToleranceSeconds) * 1000);
  if (!(await rules.claimProof(id, until, bound.holder))) throw refused('the proof was used before');
}

async function signedProof(proof: string): Promise<SignedProof> {
  // jose reads several spellings of one signature (RFC 4648 §3.5); the other parts are signed as they are spelled.
  const signature = proof.slice(proof.lastIndexOf('.') + 1);
  if (Buffer.from(signature, 'base64url').toString('base64url') !== signature) throw refused('its spelling');
  const { typ, alg, jwk } = decodeProtectedHeader(proof);
  if (typ !== 'dpop+jwt') throw refused('typ is not dpop+jwt');
  if (alg === undefined || !ALGORITHMS.includes(alg)) throw refused('alg is not allowed');
  const key = publicKeyOf(jwk);
  const { payload } = await compactVerify(proof, await importJWK(key, alg), { algorithms: [...ALGORITHMS] });
  const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  if (typeof claims !== 'object' || claims === null) throw refused('the claims are not an object');
  return { jkt: await calculateJwkThumbprint(key, 'sha256'), claims: { ...claims } };
}

function publicKeyOf(jwk: JWK | undefined): JWK {
  if (typeof jwk !== 'object' || jwk === null) throw refused('there is no jwk');
  if (!KEY_TYPES.includes(jwk.kty)) throw refused('the jwk is not asymmetric');
  const problem = findJwkProblem({ ...jwk });
  if (problem !== undefined) throw refused(`the jwk ${problem}`);
  return jwk;
}

/** RFC 9449 §4.3 item 9: without query and fragment, after the normalizations of RFC 3986 §6.2.2 and §6.2.3. */
function isSameTarget(claimed: string, actual: string): boolean {
  const [one, other] = [normalizedTarget(claimed), normalizedTarget(actual)];
  return one !== undefined && one === other;
}

function normalizedTarget(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return undefined;
  const path = url.pathname.replace(/%[0-9a-f]{2}/gi, (octet) => {
    const character = String.fromCharCode(Number.parseInt(octet.slice(1), 16));
    return /[A-Za-z0-9\-._~]/.test(character) ? character : octet.toUpperCase();
  });
  return `${url.origin}${path}`;
}

function refused(problem: string, cause?: unknown): OpenBankingError<'ERR_DPOP_PROOF'> {
  return new OpenBankingError('ERR_DPOP_PROOF', { problem }, { cause });
}
