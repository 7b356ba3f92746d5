import { createHash } from 'node:crypto';
import { errors, jwtVerify } from 'jose';
import { OpenBankingError } from '../../errors.ts';
import type { OutboundRequest, OutboundResponse } from '../../remote/outbound.ts';
import { type AccessToken, invalidToken, parseAccessToken, type TokenRules } from './access-token.ts';
import { isSameDigest } from './certificate-binding.ts';
import { ALGORITHMS } from './compact-signature.ts';
import { answered, IssuerQuestions } from './issuer-questions.ts';
import { isStructured } from './structured-token.ts';

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
/** More than any opaque token of ours, which has 43 characters. */
const MAX_OPAQUE_CHARACTERS = 256;
const OPAQUE = /^[\w.~-]+$/;
/** Tokens that are known to be no tokens, by their hash. */
const MAX_NEGATIVES = 10_000;
const SIGNED_TYPE = 'application/token-introspection+jwt';

/** Asks about a token that `caller` has presented: the thumbprint of a certificate, or of a DPoP key without one. */
export type Introspection = (token: string, caller: string) => Promise<AccessToken>;

/**
 * Asks the issuer about a token (RFC 7662, RFC 9701). Believes an answer only if it is about a token of this issuer
 * for this audience. A token that the issuer cannot have issued is refused without a question. An unusable answer refuses
 * one token; only an issuer that does not answer, or fails itself (5xx), is left alone for a while.
 *
 * @throws ERR_TOKEN_INVALID, ERR_TOKEN_UNBOUND, ERR_TOKEN_INTROSPECTION_UNAVAILABLE
 */
export function createIntrospection(rules: IntrospectionRules): Introspection {
  const inactive = new Map<string, number>();
  const { clock } = rules;
  const now = () => clock.now().getTime();
  const questions = new IssuerQuestions({
    clock,
    unavailable: (problem, cause) => unavailable(rules, problem, cause),
  });
  const ask = async (token: string, caller: string): Promise<Record<string, unknown>> => {
    const response = await questions.ask(caller, () => postQuestion(token, rules));
    try {
      return await answerIn(response, rules);
    } catch (cause) {
      throw unavailable(rules, 'no usable answer', cause);
    }
  };

  return async (token, caller) => {
    assertPlausible(token);
    const key = createHash('sha256').update(token).digest('base64url');
    const until = inactive.get(key);
    if (until !== undefined && until > now()) throw notActive();
    inactive.delete(key);
    const claims = await ask(token, caller);
    if (claims.active !== true) {
      const oldest = inactive.keys().next().value;
      if (inactive.size >= MAX_NEGATIVES && oldest !== undefined) inactive.delete(oldest);
      inactive.set(key, now() + rules.negativeSeconds * 1000);
      throw notActive();
    }
    if (claims.iss !== undefined && claims.iss !== rules.issuer) throw invalidToken('iss is not the issuer');
    const { active, ...rest } = claims;
    const frozen = Object.freeze(rest);
    const proven = parseAccessToken(frozen, () => frozen, rules);
    const { thumbprint, jkt = '' } = proven.confirmation;
    if (isSameDigest(thumbprint ?? jkt, caller)) questions.noteProven(caller);
    return proven;
  };
}

/** A JWT is at most as long as `findPresentedToken` allows. */
function assertPlausible(token: string): void {
  if (isStructured(token)) return;
  if (token.length > MAX_OPAQUE_CHARACTERS) throw invalidToken('it is too long for an opaque token');
  if (!OPAQUE.test(token)) throw invalidToken('it has a character that no opaque token has');
}

/** @throws ERR_OUTBOUND_FAILED also for a fault of the issuer (5xx) */
async function postQuestion(token: string, rules: IntrospectionRules): Promise<OutboundResponse> {
  const response = await rules.post({
    method: 'POST',
    headers: { accept: acceptOf(rules), 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(
      new URLSearchParams({ token, token_type_hint: 'access_token', client_id: rules.clientId }).toString(),
    ),
  });
  return answered(response, rules.issuer);
}

function acceptOf({ response }: IntrospectionRules): string {
  return response === 'signed' ? SIGNED_TYPE : 'application/json';
}

async function answerIn(
  { status, headers, body }: OutboundResponse,
  rules: IntrospectionRules,
): Promise<Record<string, unknown>> {
  if (status !== 200) throw new Error(`unexpected status ${status}`);
  const [contentType = ''] = (headers.get('content-type') ?? '').split(';');
  if (contentType.trim().toLowerCase() !== acceptOf(rules)) throw new Error('unexpected content type');
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
