import type { KeyObject } from 'node:crypto';
import { type CryptoKey, compactVerify, type JWTPayload } from 'jose';
import { type Clock, epochSeconds } from '../../clock.ts';
import { isDeepJwt, NESTING_RULE } from '../request/nesting.ts';
import { statementRefusal } from './statement-profile.ts';

/** A signature that is not weaker than those of clients: no RSA PKCS#1 v1.5, no MAC, never `none`. */
export type StatementAlgorithm = 'PS256' | 'ES256';

/** A JWT whose signature is not verified: good for finding the key, and for nothing else. */
export interface UnprovenJwt {
  readonly text: string;
  readonly header: Readonly<Record<string, unknown>> & { readonly alg: StatementAlgorithm };
  readonly claims: JWTPayload;
}

/** How far the clock of the signer may be ahead. */
const MAX_AHEAD_SECONDS = 60;
const MAX_KID = 256;
/** Base64url without padding, to the letter: the same JWT has one text (RFC 7515 §2). */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** Header parameters that bring a key along, or change what is signed; none of them is ever followed. */
const FOREIGN = ['jwk', 'jku', 'x5u', 'crit', 'b64', 'enc', 'zip'] as const;

/**
 * Reads a JWS in compact form. `rule` words the refusals: the statement that it is, with its section.
 *
 * @throws ERR_REGISTRATION_STATEMENT for another form, another algorithm, and for a key in the header, but `x5c` where
 * `allowsCertificates`
 */
export function readJwt(
  text: string,
  rule: string,
  options: { readonly algorithms: readonly StatementAlgorithm[]; readonly allowsCertificates?: boolean },
): UnprovenJwt {
  const refuse = (problem: string, cause?: unknown) => statementRefusal(rule, problem, cause);
  if (!COMPACT.test(text)) throw refuse('is no JWS in compact form (RFC 7515 section 7.1)');
  if (isDeepJwt(text)) throw refuse(NESTING_RULE);
  const [headerPart = '', payloadPart = ''] = text.split('.');
  const header = partOf(headerPart, () => refuse('has a header that is no JSON object'));
  const claims = partOf(payloadPart, () => refuse('has a payload that is no JSON object'));
  const { algorithms, allowsCertificates = false } = options;
  const alg = algorithms.find((one) => one === header.alg);
  if (alg === undefined) throw refuse(`must be signed with ${algorithms.join(' or ')}`);
  const names = allowsCertificates ? FOREIGN : [...FOREIGN, 'x5c'];
  const foreign = names.find((name) => header[name] !== undefined);
  if (foreign !== undefined) throw refuse(`must not have ${foreign} in its header (RFC 8725 section 3.10)`);
  const { kid } = header;
  if (kid !== undefined && (typeof kid !== 'string' || kid === '' || kid.length > MAX_KID)) {
    throw refuse(`must have a kid of 1 to ${MAX_KID} characters`);
  }
  return { text, header: { ...header, alg }, claims };
}

/** Whether a body has the form of a JWT with the certificate of its signer (`x5c`). Nothing of the body is verified. */
export function isSealed(body: string): boolean {
  const [, header = ''] = /^\s*([\w-]+)\./.exec(body) ?? [];
  return /"x5c"\s*:/.test(Buffer.from(header, 'base64url').toString('utf8'));
}

/** @throws ERR_REGISTRATION_STATEMENT unless the key signed the JWT */
export async function verifyJwt(
  { text, header: { alg }, claims }: UnprovenJwt,
  key: CryptoKey | KeyObject,
  rule: string,
): Promise<JWTPayload> {
  try {
    await compactVerify(text, key, { algorithms: [alg] });
    return claims;
  } catch (cause) {
    throw statementRefusal(rule, 'has a signature that does not verify', cause);
  }
}

/**
 * @throws ERR_REGISTRATION_STATEMENT for a JWT of another time: `iat` is required, and at most `maxAgeSeconds` ago; `exp` is
 * looked at where it is, and must be where `needsExpiry`
 */
export function assertTimes(
  { iat, exp, nbf }: JWTPayload,
  rule: string,
  { clock, maxAgeSeconds, needsExpiry = false }: TimeRules,
): void {
  const now = epochSeconds(clock.now());
  const refuse = (problem: string) => statementRefusal(rule, problem);
  if (typeof iat !== 'number') throw refuse('must have iat');
  if (iat > now + MAX_AHEAD_SECONDS) throw refuse('has an iat in the future');
  if (iat < now - maxAgeSeconds) throw refuse(`was issued more than ${maxAgeSeconds} seconds ago`);
  if (typeof nbf === 'number' && nbf > now + MAX_AHEAD_SECONDS) throw refuse('has an nbf in the future');
  if (exp === undefined && !needsExpiry) return;
  if (typeof exp !== 'number') throw refuse('must have exp');
  if (exp <= now) throw refuse('has expired');
}

export interface TimeRules {
  readonly clock: Clock;
  readonly maxAgeSeconds: number;
  readonly needsExpiry?: boolean;
}

/** The claims but those of the JWT itself (RFC 7519 §4.1), which are no metadata of a client. */
export function ownClaims(claims: JWTPayload): Record<string, unknown> {
  const { iss, sub, aud, iat, exp, nbf, jti, ...own } = claims;
  return own;
}

function partOf(part: string, refuse: () => Error): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw refuse();
}
