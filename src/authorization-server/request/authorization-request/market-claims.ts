import { OpenBankingError } from '../../../errors.ts';
import type { Profile } from '../../profiles/profile.ts';
import { parseClaims } from './claims-parameter.ts';

/** An identifier of the bank's own: what comes back in an ID token is nothing but that. */
const INTENT = /^[\w.:/-]{1,128}$/;

/**
 * The intent that a request must name in a market that has one: as an essential claim of the ID token, with its value. Which
 * consent stands behind it is for the bank to know.
 *
 * @throws ERR_CLAIMS_INVALID
 */
export function assertIntent(claims: unknown, { name, market }: Profile): void {
  const intent = market?.intentClaim;
  if (intent === undefined) return;
  const { id_token: asked } = claims === undefined ? {} : parseClaims(textOf(claims));
  const { essential, value } = asked?.[intent] ?? {};
  if (essential === true && typeof value === 'string' && INTENT.test(value)) return;
  const problem = `${name} needs id_token.${intent} with essential and a value of at most 128 letters, digits and . : / - _`;
  throw new OpenBankingError('ERR_CLAIMS_INVALID', { problem });
}

/** The claim of an ID token that returns the intent of its request. */
export function intentClaim(
  asked: Readonly<Record<string, { readonly value?: unknown } | null | undefined>>,
  { market }: Profile,
): Readonly<Record<string, string>> {
  const name = market?.intentClaim;
  const value = name === undefined ? undefined : asked[name]?.value;
  return name !== undefined && typeof value === 'string' && INTENT.test(value) ? { [name]: value } : {};
}

/** A request object has JSON in JSON, or a text of JSON. */
function textOf(claims: unknown): string {
  return typeof claims === 'string' ? claims : JSON.stringify(claims);
}
