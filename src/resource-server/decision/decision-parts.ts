import { createLocalJWKSet } from 'jose';
import { type Clock, systemClock } from '../../clock.ts';
import { IssuerConsents } from '../consent/issuer-consents.ts';
import {
  type AuthorizerOptions,
  httpsUrl,
  type IntrospectionOptions,
  type IssuerQuestion,
  nonEmpty,
  secondsWithin,
} from './authorizer-options.ts';
import { nonceVerifier } from '../dpop/dpop-nonce.ts';
import type { DpopRules } from '../dpop/dpop-proof.ts';
import { rememberProofs } from '../dpop/dpop-replay.ts';
import { invalidToken, type TokenRules } from '../token/access-token.ts';
import { createIntrospection } from '../token/introspection.ts';
import {
  type FetchDocument,
  type IssuerConnection,
  openIssuerConnection,
} from '../token/issuer-documents.ts';
import { issuerKeys, KEYS_FRESH_SECONDS, type KeySource } from '../token/issuer-keys.ts';
import type { SenderConstraint } from '../token/confirmation.ts';
import { type ProvenToken, TokenCache } from '../token/token-cache.ts';
import { isStructured, verifyStructuredToken } from '../token/structured-token.ts';
import { TokenStatusLists } from '../token/token-status.ts';

export type DecisionParts = ReturnType<typeof openDecisionParts>;

const CLOCK_TOLERANCE_SECONDS = 10;
/**
 * Our server sees a changed file at its second look, one second apart, and may say for half a second what it said
 * before: with these two, less than five (docs/quickstart-api.md).
 */
const STATUS_MAX_AGE_SECONDS = 2;
const ANSWER_MAX_AGE_SECONDS = 2;
const NEGATIVE_MAX_AGE_SECONDS = 5;
const PROOF_MAX_AGE_SECONDS = 60;
const SENDER_CONSTRAINTS: readonly SenderConstraint[] = ['certificate', 'certificate-and-dpop'];
const KNOWN_CONSTRAINTS: readonly SenderConstraint[] = [...SENDER_CONSTRAINTS, 'dpop'];
const MAX_TOKENS = 100_000;
const MAX_BYTES = 256 * 1024 * 1024;
const MAX_CONSENTS = 50_000;
const MAX_CONSENT_BYTES = 64 * 1024 * 1024;

/** Makes the parts of a decision. @throws TypeError for options that cannot work */
export function openDecisionParts(options: AuthorizerOptions) {
  const issuer = httpsUrl(options.issuer, 'issuer');
  const audience = nonEmpty(options.audience, 'audience');
  const clock = options.clock ?? systemClock;
  const clockToleranceSeconds = options.clockToleranceSeconds ?? CLOCK_TOLERANCE_SECONDS;
  const senderConstraints = acceptedConstraints(options);
  const dpop = dpopRules(options, clock, clockToleranceSeconds);
  const connection = openIssuerConnection(options.caPem, options.introspection);
  const source = sourceOf(options, connection, clock);
  const lists = statusListsOf(options, source, clock);
  const rules = { issuer, audience, keys: source.keys, clock, clockToleranceSeconds, senderConstraints };
  const tokens = new TokenCache({
    prove: proofs(options, rules, connection),
    maxTokens: options.memory?.maxTokens ?? MAX_TOKENS,
    maxBytes: options.memory?.maxBytes ?? MAX_BYTES,
  });
  const consents = consentsOf(options, rules);
  return {
    clock,
    clockToleranceSeconds,
    tokens,
    /** Undefined when consents are not asked about. */
    consents: consents?.source,
    /** Undefined when tokens are not looked up. */
    lists,
    dpop,
    senderConstraints,
    accepted: Object.freeze({ issuer, audience, senderConstraints, isDpopVerified: dpop !== undefined }),
    tppCheck: options.tppCheck,
    allowExpiredCertificates: options.allowExpiredCertificates === true,
    close: async () => {
      lists?.close();
      await Promise.all([connection.close(), consents?.close()]);
    },
  };
}

interface Source {
  readonly keys: KeySource;
  readonly fetchDocument: FetchDocument;
}

function sourceOf(options: AuthorizerOptions, connection: IssuerConnection, clock: Clock): Source {
  const given = options.fetchDocument;
  const fetchDocument: FetchDocument =
    given === undefined ? connection.fetchDocument : async (url) => ({ body: await given(url) });
  if (options.jwks !== undefined) return { keys: createLocalJWKSet(options.jwks), fetchDocument };
  const { issuer } = options;
  const jwksUri = httpsUrl(options.jwksUri ?? `${issuer.replace(/\/$/, '')}/jwks`, 'jwksUri');
  return { keys: issuerKeys({ issuer, jwksUri, fetchDocument, clock }), fetchDocument };
}

function statusListsOf(
  options: AuthorizerOptions,
  source: Source,
  clock: Clock,
): TokenStatusLists | undefined {
  if (options.status === false) return undefined;
  const { maxAgeSeconds = STATUS_MAX_AGE_SECONDS, whenUnavailable = 'refuse' } = options.status ?? {};
  if (maxAgeSeconds !== 0) secondsWithin([1, 3600], 'status.maxAgeSeconds', maxAgeSeconds);
  return new TokenStatusLists({ ...source, issuer: options.issuer, clock, maxAgeSeconds, whenUnavailable });
}

/** Chooses how a token is proved, and for how long that proof is used. */
function proofs(
  options: AuthorizerOptions,
  rules: TokenRules,
  connection: IssuerConnection,
): (token: string, caller: string) => Promise<ProvenToken> {
  const formats = options.formats ?? (options.introspection === undefined ? ['jwt'] : ['jwt', 'opaque']);
  if (formats.length === 0) throw new TypeError('formats must name at least one format');
  if (formats.includes('opaque') !== (options.introspection !== undefined)) {
    throw new TypeError('introspection must be given exactly when opaque tokens are taken');
  }
  const { introspection } = options;
  const counted = { ask: observed('introspection', connection.ask, options) };
  const ask = introspection === undefined ? undefined : asker(introspection, rules, counted);
  const proveStructured = async (token: string) => ({
    ...(await verifyStructuredToken(token, rules)),
    // A key that has left the issuer's set must not live on in what was proved with it.
    until: rules.clock.now().getTime() + KEYS_FRESH_SECONDS * 1000,
  });
  return (token, caller) => {
    if (formats.includes('jwt') && isStructured(token)) return proveStructured(token);
    if (ask !== undefined) return ask(token, caller);
    throw invalidToken('the token is not a JWT');
  };
}

function asker(
  options: IntrospectionOptions,
  rules: TokenRules,
  connection: Pick<IssuerConnection, 'ask'>,
): (token: string, caller: string) => Promise<ProvenToken> {
  const endpoint = httpsUrl(options.endpoint, 'introspection.endpoint');
  // RFC 7662 §2.2 leaves caching to the resource server; what is revoked must show (threats.md L6).
  const { maxAgeSeconds = ANSWER_MAX_AGE_SECONDS, maxNegativeAgeSeconds = NEGATIVE_MAX_AGE_SECONDS } =
    options;
  secondsWithin([1, 30], 'introspection.maxAgeSeconds', maxAgeSeconds);
  const introspect = createIntrospection({
    ...rules,
    post: (request) => connection.ask(endpoint, request),
    clientId: nonEmpty(options.clientId, 'introspection.clientId'),
    response: options.response ?? 'signed',
    negativeSeconds: secondsWithin([0, 5], 'introspection.maxNegativeAgeSeconds', maxNegativeAgeSeconds),
  });
  return async (token, caller) => {
    // The answer is as old as the question.
    const askedAt = rules.clock.now().getTime();
    const { status, ...proven } = await introspect(token, caller);
    const until = askedAt + maxAgeSeconds * 1000;
    return { ...proven, status: 'asked', until, renewFrom: until - maxAgeSeconds * 500 };
  };
}

/** The same question, which is observed when its answer is there. */
function observed(
  kind: IssuerQuestion['kind'],
  ask: IssuerConnection['ask'],
  { onQuestion }: Pick<AuthorizerOptions, 'onQuestion'>,
): IssuerConnection['ask'] {
  if (onQuestion === undefined) return ask;
  return async (url, request) => {
    const startedAt = performance.now();
    let outcome: IssuerQuestion['outcome'] = 'failed';
    try {
      const answer = await ask(url, request);
      if (answer.status < 500) outcome = 'answered';
      return answer;
    } finally {
      onQuestion({ kind, outcome, seconds: (performance.now() - startedAt) / 1000 });
    }
  };
}

function consentsOf({ consents: given, caPem, onQuestion }: AuthorizerOptions, rules: TokenRules) {
  if (given === undefined) return undefined;
  const endpoint = httpsUrl(given.endpoint, 'consents.endpoint');
  if (!endpoint.endsWith('/')) throw new TypeError('consents.endpoint must end with a slash');
  const { maxAgeSeconds = ANSWER_MAX_AGE_SECONDS, memory } = given;
  const { ask, close } = openIssuerConnection(caPem, given);
  const source = new IssuerConsents({
    ...rules,
    endpoint,
    clientId: nonEmpty(given.clientId, 'consents.clientId'),
    response: given.response ?? 'signed',
    maxAgeSeconds: secondsWithin([0, 5], 'consents.maxAgeSeconds', maxAgeSeconds),
    maxConsents: memory?.maxConsents ?? MAX_CONSENTS,
    maxBytes: memory?.maxBytes ?? MAX_CONSENT_BYTES,
    ask: observed('consent', ask, { onQuestion }),
  });
  return { source, close };
}

function acceptedConstraints(options: AuthorizerOptions): readonly SenderConstraint[] {
  const { senderConstraints: accepted = SENDER_CONSTRAINTS } = options;
  const isList = Array.isArray(accepted) && accepted.length > 0;
  if (!isList || !accepted.every((one) => KNOWN_CONSTRAINTS.includes(one))) {
    throw new TypeError(`senderConstraints must be a list of ${KNOWN_CONSTRAINTS.join(', ')}`);
  }
  if (accepted.includes('dpop') && options.tppCheck !== undefined) {
    throw new TypeError('tppCheck needs a certificate, which a token of senderConstraints dpop may lack');
  }
  return Object.freeze([...accepted]);
}

function dpopRules(
  options: AuthorizerOptions,
  clock: Clock,
  clockToleranceSeconds: number,
): DpopRules | undefined {
  const given = options.dpop ?? {};
  const known = given.origin ?? (URL.canParse(options.audience) ? options.audience : undefined);
  if (known === undefined || new URL(known).protocol !== 'https:') {
    if (options.dpop !== undefined || options.senderConstraints?.some((one) => one !== 'certificate'))
      throw new TypeError('dpop.origin must be an https URL');
    return undefined;
  }
  return {
    origin: new URL(known).origin,
    maxAgeSeconds: secondsWithin(
      [1, 300],
      'dpop.maxAgeSeconds',
      given.maxAgeSeconds ?? PROOF_MAX_AGE_SECONDS,
    ),
    clockToleranceSeconds,
    claimProof: given.claimProof ?? rememberProofs(clock),
    verifyNonce: given.nonceSecret === undefined ? undefined : nonceVerifier(given.nonceSecret, clock),
  };
}
