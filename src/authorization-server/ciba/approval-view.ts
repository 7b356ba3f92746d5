import type { Client } from 'oidc-provider';
import type { TppRecord } from '../../../tpp-registry/index.ts';
import { requirementsOf } from '../customer/authentication/authentication-requirements.ts';
import { customerClaimsOf, type CustomerClaimRules } from '../customer/claims/requested-claims.ts';
import type { ApprovalRequest } from '../customer/bank/decoupled-approval.ts';
import { uiLocalesOf } from '../customer/authentication/hints.ts';
import type { AskedAccess } from '../customer/consent/asked-access.ts';
import { isOfApi } from '../customer/consent/granted-consent.ts';
import { serviceOf } from '../customer/consent/requester.ts';
import { profileOf, type Profiles } from '../profiles/profiles.ts';
import { consentView, shortTexts } from '../customer/pages/consent-view/consent-view.ts';
import type { Languages } from '../customer/pages/words/languages.ts';
import type { ApprovalRecord } from './approval-records.ts';

/** The rules of the bank for a question. */
export interface ApprovalRules extends CustomerClaimRules {
  readonly profiles: Profiles;
  /** Of the sentences for the customer. */
  readonly languages: Pick<Languages, 'preferred'>;
}

/** A question whose customer is known. */
export type AskedRecord = ApprovalRecord & { readonly psuId: string };

/** The question, as the bank shows it to its customer. */
export function approvalView(
  record: AskedRecord,
  parts: {
    readonly client: Client;
    readonly tpp: TppRecord;
    readonly asked: AskedAccess;
    readonly rules: ApprovalRules;
  },
): ApprovalRequest {
  const { client, tpp, asked, rules } = parts;
  const { approvalId, psuId, clientId, params, expiresAt } = record;
  const { scopes, details, linkHash } = asked;
  const { acrValues, isAcrEssential } = requirementsOf(params, profileOf(client, rules.profiles).market);
  const words = rules.languages.preferred({ uiLocales: uiLocalesOf(params) });
  const claims = customerClaimsOf(params, rules);
  return Object.freeze({
    approvalId,
    psuId,
    clientId,
    tpp: {
      service: serviceOf({ client, tpp }),
      legalName: tpp.legalName,
      authorizationNumber: tpp.authorizationNumber,
    },
    scopes,
    permissions: shortTexts(consentView({ details, scopes, claims }, words)),
    details,
    linkHash,
    needsAccounts: scopes.some(isOfApi),
    bindingMessage: params.binding_message,
    acrValues,
    isAcrEssential,
    expiresAt,
    consentUntil: asked.expiresAt,
  });
}
