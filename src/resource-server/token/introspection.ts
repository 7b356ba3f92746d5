import { createHash } from 'node:crypto';
import { errors, jwtVerify } from 'jose';
import { OpenBankingError } from '../../errors.ts';
import type { OutboundRequest, OutboundResponse } from '../../remote/outbound.ts';
import { type AccessToken, invalidToken, parseAccessToken, type TokenRules } from './access-token.ts';
import { ALGORITHMS } from './compact-signature.ts';

export interface IntrospectionRules extends TokenRules {
  /** Posts to the introspection endpoint, over mTLS with this resource server's certificate. */
  readonly post: (request: OutboundRequest) => Promise<OutboundResponse>;
  readonly clientId: string;
  /** `signed` asks for RFC 9701 and takes nothing else. */
  readonly response: 'signed' | 'plain';
  /** How long an answer that says "not active" is believed. */
  readonly negativeSeconds: number;
}

/** The answer's own age: an old signed answer must not stand in for a new one (RFC 9701 §8.1). */
const MAX_ANSWER_AGE_SECONDS = 30;
/** After a failure the issuer is left alone for this long. */
const COOL_DOWN_SECONDS = 1;
/** Questions at once; more wait for nothing, they are refused. */
const MAX_PENDING = 256;
/** Tokens that are known to be no tokens, by their hash. */
const MAX_NEGATIVES = 10_000;
const SIGNED_TYPE = 'application/token-introspection+jwt';

/**
 * Asks the issuer about a token (RFC 7662, RFC 9701). Believes an answer only if it is about a token of this issuer
 * for this audience.
 *
 * @throws ERR_TOKEN_INVALID, ERR_TOKEN_UNBOUND, ERR_TOKEN_INTROSPECTION_UNAVAILABLE
 */
export function createIntrospection(rules: IntrospectionRules): (token: string) => Promise<AccessToken> {
  const inactive = new Map<string, number>();
  const { clock } = rules;
  let failedAt = -Infinity;
  let pending = 0;

  const ask = async (token: string): Promise<Record<string, unknown>> => {
    if (clock.now().getTime() - failedAt < COOL_DOWN_SECONDS * 1000) throw unavailable(rules, 'cool-down');
    if (pending >= MAX_PENDING) throw unavailable(rules, 'too many questions at once');
    pending += 1;
    try {
      return await answerTo(token, rules);
    } catch (cause) {
      failedAt = clock.now().getTime();
      throw unavailable(rules, 'no usable answer', cause);
    } finally {
      pending -= 1;
    }
  };

  return async (token) => {
    const key = createHash('sha256').update(token).digest('base64url');
    const until = inactive.get(key);
    if (until !== undefined && until > clock.now().getTime()) throw notActive();
    inactive.delete(key);
    const claims = await ask(token);
    if (claims.active !== true) {
      const oldest = inactive.keys().next().value;
      if (inactive.size >= MAX_NEGATIVES && oldest !== undefined) inactive.delete(oldest);
      inactive.set(key, clock.now().getTime() + rules.negativeSeconds * 1000);
      throw notActive();
    }
    if (claims.iss !== undefined && claims.iss !== rules.issuer) throw invalidToken('iss is not the issuer');
    const { active, ...rest } = claims;
    const frozen = Object.freeze(rest);
    return parseAccessToken(frozen, () => frozen, rules);
  };
}

async function answerTo(token: string, rules: IntrospectionRules): Promise<Record<string, unknown>> {
  const accept = rules.response === 'signed' ? SIGNED_TYPE : 'application/json';
  const { status, headers, body } = await rules.post({
    method: 'POST',
    headers: { accept, 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(
      new URLSearchParams({ token, token_type_hint: 'access_token', client_id: rules.clientId }).toString(),
    ),
  });
  if (status !== 200) throw new Error(`unexpected status ${status}`);
  const [contentType = ''] = (headers.get('content-type') ?? '').split(';');
  if (contentType.trim().toLowerCase() !== accept) throw new Error('unexpected content type');
  const text = body.toString('utf8');
  const answer: unknown = rules.response === 'signed' ? await signedAnswer(text, rules) : JSON.parse(text);
  if (typeof answer !== 'object' || answer === null || !('active' in answer)) {
    throw new Error('the answer does not say whether the token is active');
  }
  if (typeof answer.active !== 'boolean') throw new Error('active is not a boolean');
  return { ...answer };
}

/** RFC 9701 §5: about the token inside `token_introspection` only, so that it can never pass as an access token. */
async function signedAnswer(text: string, rules: IntrospectionRules): Promise<unknown> {
  const { payload } = await jwtVerify(text, rules.keys, {
    algorithms: [...ALGORITHMS],
    typ: 'token-introspection+jwt',
    issuer: rules.issuer,
    audience: rules.clientId,
    currentDate: rules.clock.now(),
    clockTolerance: rules.clockToleranceSeconds,
    maxTokenAge: MAX_ANSWER_AGE_SECONDS,
    requiredClaims: ['iat', 'token_introspection'],
  });
  if ('sub' in payload || 'exp' in payload) {
    throw new errors.JWTInvalid('an introspection answer has no sub and no exp of its own');
  }
  return payload.token_introspection;
}

function notActive(): OpenBankingError<'ERR_TOKEN_INVALID'> {
  return invalidToken('the issuer says that it is not active');
}

function unavailable(rules: IntrospectionRules, problem: string, cause?: unknown) {
  const details = { issuer: rules.issuer, problem };
  return new OpenBankingError('ERR_TOKEN_INTROSPECTION_UNAVAILABLE', details, { cause });
}
