import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import { OpenBankingError } from '../../../errors.ts';
import { providerError } from '../oauth-error.ts';

/** Where a claim is asked for (OpenID Connect Core §5.5). */
export const CLAIM_TARGETS = ['id_token', 'userinfo'] as const;
export type ClaimTarget = (typeof CLAIM_TARGETS)[number];

/** One claim of a request (OpenID Connect Core §5.5.1). Other members are ignored. */
export interface RequestedClaim {
  readonly essential?: boolean;
  readonly value?: unknown;
  readonly values?: readonly unknown[];
}

/** The claims that a request asks for, by target and name; null asks for a claim in the default manner. */
export type RequestedClaims = {
  readonly [Target in ClaimTarget]?: Readonly<Record<string, RequestedClaim | null>>;
};

/** More than a request for every claim of OpenID Connect has. */
const MAX_CLAIMS = 50;
const MAX_VALUES = 20;
const MAX_VALUE_CHARACTERS = 512;
const MAX_TEXT_CHARACTERS = 4096;
const NAME = /^[\x21-\x7e]{1,200}$/;
/** Names that no claim has, and that mean something else to an object of JavaScript. */
const NO_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * The `claims` parameter of a request, whose form the provider has checked already: `id_token` and `userinfo`. A claim that
 * this server does not know is ignored, as is any other member (OpenID Connect Core §5.5); a request that is not of the
 * form of the standard, or larger than one needs to be, is refused.
 *
 * @throws ERR_CLAIMS_INVALID
 */
export function parseClaims(text: string): RequestedClaims {
  if (text.length > MAX_TEXT_CHARACTERS) {
    throw malformed(`it is longer than ${MAX_TEXT_CHARACTERS} characters`);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw malformed('it is not JSON');
  }
  if (!isObject(parsed)) throw malformed('it is not a JSON object');
  for (const target of CLAIM_TARGETS) {
    const claims = parsed[target];
    if (claims !== undefined) assertTarget(target, claims);
  }
  return parsed;
}

function assertTarget(target: ClaimTarget, claims: unknown): void {
  if (!isObject(claims)) throw malformed(`${target} is not a JSON object`);
  const entries = Object.entries(claims);
  if (entries.length > MAX_CLAIMS) throw malformed(`${target} asks for more than ${MAX_CLAIMS} claims`);
  for (const [name, claim] of entries) {
    if (!NAME.test(name) || NO_NAMES.has(name)) throw malformed(`${target} has a name that no claim has`);
    const problem = findClaimProblem(claim);
    if (problem !== undefined) throw malformed(`${target}.${name} ${problem}`);
  }
}

function findClaimProblem(claim: unknown): string | undefined {
  if (claim === null) return undefined;
  if (!isObject(claim)) return 'is neither null nor a JSON object';
  const { essential, value, values } = claim;
  if (essential !== undefined && typeof essential !== 'boolean')
    return 'has an essential that is not true or false';
  if (value !== undefined && values !== undefined) return 'has both value and values';
  if (values !== undefined && (!Array.isArray(values) || values.length === 0 || values.length > MAX_VALUES)) {
    return `has values that are not a list of 1 to ${MAX_VALUES}`;
  }
  const isLarge = (one: unknown) => (JSON.stringify(one)?.length ?? 0) > MAX_VALUE_CHARACTERS;
  if ([value, ...((values as readonly unknown[] | undefined) ?? [])].some(isLarge)) {
    return `has a value of more than ${MAX_VALUE_CHARACTERS} characters`;
  }
  return undefined;
}

/** The `claims` of parameters that passed `assertClaims`; empty when there are none. */
export function claimsOf(params: Readonly<Record<string, unknown>>): RequestedClaims {
  return typeof params.claims === 'string' ? parseClaims(params.claims) : {};
}

/** The names of claims that a request asks for in one target, or in any. */
export function claimNames(
  claims: RequestedClaims,
  targets: readonly ClaimTarget[] = CLAIM_TARGETS,
): string[] {
  return [...new Set(targets.flatMap((target) => Object.keys(claims[target] ?? {})))];
}

/** A rule about the claims of one client, which throws its refusal. */
export type ClaimsRule = (
  claims: RequestedClaims,
  client: Client,
  params: Readonly<Record<string, unknown>>,
) => void;

/** The provider's `claimsParameter.assertClaimsParameter`. @throws ERR_CLAIMS_INVALID and those of the rules, as provider errors */
export function assertClaims(rules: readonly ClaimsRule[]) {
  return async (ctx: KoaContextWithOIDC, _claims: unknown, client: Client): Promise<void> => {
    const params = ctx.oidc.params ?? {};
    try {
      const claims = claimsOf(params);
      for (const rule of rules) rule(claims, client, params);
    } catch (error) {
      throw error instanceof OpenBankingError ? providerError(error) : error;
    }
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(problem: string): OpenBankingError<'ERR_CLAIMS_INVALID'> {
  return new OpenBankingError('ERR_CLAIMS_INVALID', { problem });
}
