import { OpenBankingError } from '../../../errors.ts';
import type { MarketRules } from '../../profiles/profile.ts';
import {
  type ClaimsRule,
  claimsOf,
  type RequestedClaims,
} from '../../request/authorization-request/claims-parameter.ts';

/** The demands of a request on the authentication of the customer (OpenID Connect Core §3.1.2.1, §5.5.1.1). */
export interface AuthenticationRequirements {
  /** Authentication contexts, the preferred first. */
  readonly acrValues: readonly string[];
  /** Whether the authorization fails when the login reaches none of `acrValues`. */
  readonly isAcrEssential: boolean;
  /** The one customer who may log in. */
  readonly subject?: string | undefined;
  /** The customer of the consent that the request names. */
  readonly customer?: string | undefined;
  /** How long ago the customer may have proved his identity. */
  readonly maxAgeSeconds?: number | undefined;
}

/** A login, as far as a request can demand something of it. */
interface Login {
  readonly psuId: string;
  readonly acr?: string | undefined;
  readonly authTime?: Date | undefined;
}

/** For the clock of a bank's core system, and for the way back to this server. */
const AGE_TOLERANCE_SECONDS = 60;
const MAX_ACR_VALUES = 10;

/**
 * The requirements of the parameters of a request, and of the market of its client. An essential `acr` stays essential beside
 * `acr_values`, which asks for wishes only.
 */
export function requirementsOf(
  params: Readonly<Record<string, unknown>>,
  market: MarketRules | undefined,
): AuthenticationRequirements {
  const claims = claimsOf(params);
  const essential = essentialAcrValues(claims);
  const wished = [...textOf(params.acr_values), ...acrValuesOf(claims)].slice(0, MAX_ACR_VALUES);
  const subject = claims.id_token?.sub?.value;
  const ofMarket: readonly string[] = market?.acrValues ?? [];
  // A market's values are demanded of every login: a wish for one of them only says which.
  const demanded =
    essential === undefined && market !== undefined
      ? [...new Set([...wished.filter((value) => ofMarket.includes(value)), ...ofMarket])]
      : essential;
  return {
    acrValues: demanded ?? wished,
    isAcrEssential: demanded !== undefined,
    subject: typeof subject === 'string' ? subject : undefined,
    maxAgeSeconds: maxAgeOf(params),
  };
}

/**
 * Why a login does not meet the requirements of its request.
 *
 * @throws ERR_AUTHENTICATION_UNMET
 */
export function assertMet(
  { acrValues, isAcrEssential, subject, customer, maxAgeSeconds }: AuthenticationRequirements,
  { psuId, acr, authTime }: Login,
  now: Date,
): void {
  if (isAcrEssential && (acr === undefined || !acrValues.includes(acr))) {
    throw unmet(`the login has reached ${acr ?? 'no acr'}, and not ${acrValues.join(' or ')}`);
  }
  if (subject !== undefined && subject !== psuId)
    throw unmet('another customer than the one of sub has logged in');
  if (customer !== undefined && customer !== psuId) {
    throw unmet('another customer than the one of the consent has logged in');
  }
  const oldest = now.getTime() - ((maxAgeSeconds ?? 0) + AGE_TOLERANCE_SECONDS) * 1000;
  if (maxAgeSeconds !== undefined && authTime !== undefined && authTime.getTime() < oldest) {
    throw unmet(`the customer has logged in longer ago than max_age allows`);
  }
}

/**
 * Refuses a request that no login can meet: an essential `acr` without a value that this bank reaches.
 *
 * @throws ERR_AUTHENTICATION_UNMET, ERR_CLAIMS_INVALID
 */
export function essentialAcrRule(reachable: readonly string[]): ClaimsRule {
  return (claims) => {
    const essential = essentialAcrValues(claims);
    if (essential !== undefined && !essential.some((value) => reachable.includes(value))) {
      throw unmet(`no login reaches ${essential.join(' or ')}`);
    }
    const sub = claims.id_token?.sub;
    if (sub?.value !== undefined && typeof sub.value !== 'string') throw malformed('sub must be text');
  };
}

/** Undefined where the request demands no certain value. */
function essentialAcrValues(claims: RequestedClaims): readonly string[] | undefined {
  const values = acrValuesOf(claims);
  return claims.id_token?.acr?.essential === true && values.length > 0 ? values : undefined;
}

/** @throws ERR_CLAIMS_INVALID */
function acrValuesOf(claims: RequestedClaims): readonly string[] {
  const { value, values = value === undefined ? [] : [value] } = claims.id_token?.acr ?? {};
  if (!values.every((one) => typeof one === 'string')) throw malformed('the values of acr must be texts');
  return values;
}

function maxAgeOf({ max_age: maxAge, prompt }: Readonly<Record<string, unknown>>): number | undefined {
  // The provider has turned `max_age=0` into `prompt=login`.
  if (textOf(prompt).includes('login')) return 0;
  return maxAge === undefined ? undefined : Number(maxAge);
}

function textOf(value: unknown): readonly string[] {
  return typeof value === 'string' ? value.split(' ').filter(Boolean) : [];
}

function unmet(problem: string): OpenBankingError<'ERR_AUTHENTICATION_UNMET'> {
  return new OpenBankingError('ERR_AUTHENTICATION_UNMET', { problem });
}

function malformed(problem: string): OpenBankingError<'ERR_CLAIMS_INVALID'> {
  return new OpenBankingError('ERR_CLAIMS_INVALID', { problem });
}
