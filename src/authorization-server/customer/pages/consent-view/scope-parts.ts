import { OPENID_SCOPES } from '../../../clients/registered-client.ts';
import type { Words } from '../words/words.ts';
import type { ConsentPart, PartKind } from './consent-part.ts';

/** The subjects of scopes. */
const SCOPE_KINDS: Readonly<Record<string, PartKind>> = {
  accounts: 'accounts',
  payments: 'payment',
  fundsconfirmations: 'funds',
};
const KINDS_OF_DETAILS: Readonly<Record<string, readonly PartKind[]>> = {
  accounts: ['accounts'],
  payments: ['payment', 'standing-order', 'variable-recurring'],
  fundsconfirmations: ['funds'],
};

/** Scopes and claims, the APIs' first. A scope whose details are shown is not shown a second time. */
export function scopeParts(
  {
    scopes,
    claims,
    kinds,
  }: {
    readonly scopes: readonly string[];
    readonly claims: readonly string[];
    readonly kinds: readonly PartKind[];
  },
  words: Words,
): readonly ConsentPart[] {
  const isOpenId = (scope: string) => Number(OPENID_SCOPES.includes(scope));
  const isDetailed = (scope: string) =>
    KINDS_OF_DETAILS[scope]?.some((kind) => kinds.includes(kind)) ?? false;
  const ofScopes = scopes
    .filter((scope) => !isDetailed(scope))
    .toSorted((a, b) => isOpenId(a) - isOpenId(b))
    .map((scope) => partOfScope(scope, words));
  return claims.length === 0 ? ofScopes : [...ofScopes, partOfClaims(claims, words)];
}

function partOfScope(scope: string, words: Words): ConsentPart {
  const isOpenId = OPENID_SCOPES.includes(scope);
  return {
    kind: isOpenId ? 'identity' : (SCOPE_KINDS[scope] ?? 'other'),
    title: words.findText(`scope.${scope}`) ?? scope,
    text: words.findText(`scope.${scope}.text`) ?? words.text('scope.unknown.text'),
    facts: [],
    clusters: [],
  };
}

function partOfClaims(claims: readonly string[], words: Words): ConsentPart {
  const named = claims.map((name) => words.findText(`claim.${name}`) ?? name);
  return {
    kind: 'identity',
    title: words.text('scope.details'),
    text: `${words.capitalized(words.list(named))}.`,
    facts: [],
    clusters: [],
  };
}
