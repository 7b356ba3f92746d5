import { OPENID_SCOPES } from '../../clients/registered-client.ts';
import { CUSTOMER_CLAIMS, isCustomerClaim } from '../claims/customer-claims.ts';

/** The meaning of a scope, for a customer. */
const PERMISSIONS: Readonly<Record<string, { readonly title: string; readonly text: string }>> = {
  accounts: {
    title: 'See your accounts',
    text: 'Account names and numbers, balances and transactions of the accounts that you choose.',
  },
  payments: {
    title: 'Make payments',
    text: 'Payments from the accounts that you choose.',
  },
  fundsconfirmations: {
    title: 'Check whether there is enough money',
    text: 'A yes or no for an amount, on the accounts that you choose. No balance is shown.',
  },
  openid: {
    title: 'Recognize you',
    text: 'A number that stands for you. It is not your account number or your name.',
  },
  offline_access: {
    title: 'Access while you are away',
    text: 'The access continues when you are not using the service.',
  },
};

/** The permissions that scopes and claims ask for, the APIs' first. An unknown scope is shown by its name. */
export function permissionsOf(
  scopes: readonly string[],
  claims: readonly string[],
): { readonly title: string; readonly text: string }[] {
  const isOpenId = (scope: string) => Number(OPENID_SCOPES.includes(scope));
  const ofScopes = [...scopes]
    .sort((a, b) => isOpenId(a) - isOpenId(b))
    .map((scope) => PERMISSIONS[scope] ?? { title: scope, text: 'A permission of this bank.' });
  return claims.length === 0 ? ofScopes : [...ofScopes, detailsOf(claims)];
}

function detailsOf(claims: readonly string[]): { readonly title: string; readonly text: string } {
  const named = claims.map((name) => (isCustomerClaim(name) ? CUSTOMER_CLAIMS[name] : name));
  const list = new Intl.ListFormat('en-GB', { type: 'conjunction' }).format(named);
  return { title: 'See your details', text: `${list.charAt(0).toUpperCase()}${list.slice(1)}.` };
}
