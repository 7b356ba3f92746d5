import type { Consent } from './consent.ts';
import type { AuthorizationDetail } from './details/authorization-detail.ts';
import { paymentHashOf } from './details/payment-hash.ts';

/**
 * The answer to an API about a consent: the status, and what the customer allowed. The same in every place: endpoint,
 * introspection, header of the gateway.
 *
 *     { "consentId": "…", "status": "authorised", "clientId": "…", "authorizationNumber": "PSDGB-FCA-1", "subject": "…",
 *       "scopes": ["accounts"], "accountIds": ["acc-1"], "actions": ["read_balances"], "permissions": ["ReadBalances"],
 *       "details": [{ "type": "account_information", … }], "paymentHashes": [], "contentHash": "…",
 *       "expiresAt": "2027-05-24T12:00:00.000Z" }
 */
export function consentInformationOf(consent: Consent): Readonly<Record<string, unknown>> {
  const { consentId, status, clientId, authorizationNumber, psuId, scopes, accountIds } = consent;
  const { details, contentHash, expiresAt } = consent;
  const payments = details.filter(({ type }) => type === 'payment_initiation');
  return {
    consentId,
    status,
    clientId,
    authorizationNumber,
    subject: psuId,
    scopes,
    accountIds,
    actions: namesIn(details, 'actions'),
    permissions: namesIn(details, 'permissions'),
    details,
    paymentHashes: payments.map(paymentHashOf),
    contentHash,
    expiresAt: expiresAt.toISOString(),
  };
}

/** The names of a list of every detail, each once. */
function namesIn(details: readonly AuthorizationDetail[], member: string): readonly string[] {
  const lists = details.map((detail) => detail[member]).filter(Array.isArray);
  return [...new Set(lists.flat().filter((name) => typeof name === 'string'))];
}
