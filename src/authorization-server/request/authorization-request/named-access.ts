import { OpenBankingError } from '../../../errors.ts';
import type { ConsentReference } from '../../../consent/details/consent-reference.ts';
import { CLAIM_TARGETS, claimsOf } from './claims-parameter.ts';

type Params = Readonly<Record<string, unknown>>;

/** The access that a request asks for, as the request names it. */
export type NamedAccess =
  | { readonly reference: 'scope' }
  | { readonly reference: 'authorization_details'; readonly text: string }
  | {
      readonly reference: Exclude<ConsentReference, 'scope' | 'authorization_details'>;
      readonly consentId: string;
      /** The scope of the APIs to which the reference is bound (Berlin Group: the service). */
      readonly scope?: string | undefined;
    };

/** The claim of UK Open Banking. */
export const INTENT_CLAIM = 'openbanking_intent_id';
const CONSENT_ID = /^[A-Za-z0-9:._-]{1,128}$/;
/** The services of the Berlin Group, by the scope of the APIs that each opens. */
const BERLIN_SERVICES: Readonly<Record<string, string>> = {
  AIS: 'accounts',
  PIS: 'payments',
  PIIS: 'fundsconfirmations',
};
const BERLIN = /^(AIS|PIS|PIIS):/;
const BRASIL = /^consent:/;
/** Scopes of OpenID Connect, which say nothing about an access. */
const BESIDE_BERLIN: readonly string[] = ['openid', 'offline_access'];

/** Whether a scope is a reference to a consent, and no scope of an API. */
export function isReference(scope: string): boolean {
  return BERLIN.test(scope) || BRASIL.test(scope);
}

/** The scope of the APIs that a reference of the Berlin Group opens. */
export function scopeOfReference(scope: string): string | undefined {
  return BERLIN_SERVICES[BERLIN.exec(scope)?.[1] ?? ''];
}

/**
 * The one way in which a request names what it asks for.
 *
 * Does not check whether the client has this way, nor whether there is such a consent.
 *
 * @throws ERR_CONSENT_REFERENCE for a request that names it in several ways, ERR_CLAIMS_INVALID
 */
export function namedAccessOf(params: Params): NamedAccess {
  const { scope, authorization_details: text } = params;
  const scopes = typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [];
  const found: NamedAccess[] = [
    ...(typeof text === 'string' && text !== ''
      ? [{ reference: 'authorization_details', text } as const]
      : []),
    ...intentsOf(params),
    ...berlinOf(scopes),
    ...brasilOf(scopes),
  ];
  const [first, second] = found;
  if (second !== undefined) throw refusal('the request names an access in more than one way');
  return first ?? { reference: 'scope' };
}

function intentsOf(params: Params): NamedAccess[] {
  const claims = claimsOf(params);
  const asked = CLAIM_TARGETS.flatMap((target) => {
    const claim = claims[target];
    return claim !== undefined && Object.hasOwn(claim, INTENT_CLAIM) ? [claim[INTENT_CLAIM]?.value] : [];
  });
  if (asked.length === 0) return [];
  const [value] = asked;
  if (!asked.every((one) => one === value)) throw refusal(`${INTENT_CLAIM} has two values`);
  if (claims.id_token?.[INTENT_CLAIM]?.essential !== true) {
    throw refusal(`id_token.${INTENT_CLAIM} must be essential and have a value`);
  }
  return [{ reference: 'openbanking_intent_id', consentId: consentId(value, INTENT_CLAIM) }];
}

/** The claim of an ID token that returns the intent of its request, which was judged when it came in. */
export function intentClaim(
  asked: Readonly<Record<string, { readonly value?: unknown } | null | undefined>>,
): Readonly<Record<string, string>> {
  const value = asked[INTENT_CLAIM]?.value;
  return typeof value === 'string' && CONSENT_ID.test(value) ? { [INTENT_CLAIM]: value } : {};
}

function berlinOf(scopes: readonly string[]): NamedAccess[] {
  const found = scopes.filter((scope) => BERLIN.test(scope));
  if (found.length === 0) return [];
  // The scope of the service is added to a request that goes on (api-scopes.ts).
  const own = found.map(scopeOfReference);
  const others = scopes.filter((scope) => !BESIDE_BERLIN.includes(scope) && !own.includes(scope));
  if (others.length > 1) throw refusal('a scope of the Berlin Group names exactly one resource');
  return found.map((scope) => ({
    reference: 'berlin-group' as const,
    consentId: consentId(scope.replace(BERLIN, ''), 'the scope'),
    scope: scopeOfReference(scope),
  }));
}

function brasilOf(scopes: readonly string[]): NamedAccess[] {
  const found = scopes.filter((scope) => BRASIL.test(scope));
  return found.map((scope) => ({
    reference: 'open-finance-brasil' as const,
    consentId: consentId(scope.replace(BRASIL, ''), 'the scope'),
  }));
}

function consentId(value: unknown, place: string): string {
  if (typeof value === 'string' && CONSENT_ID.test(value)) return value;
  throw refusal(`${place} must name a consent by 1 to 128 letters, digits and : . _ -`);
}

function refusal(problem: string): OpenBankingError<'ERR_CONSENT_REFERENCE'> {
  return new OpenBankingError('ERR_CONSENT_REFERENCE', { problem });
}
