import type { Provider } from 'oidc-provider';
import type { Clock } from '../../../clock.ts';
import type { Authorisation, AskedConsent } from '../../../consent/consent-changes.ts';
import { type Consent, consentIdOf } from '../../../consent/consent.ts';
import type { Changed, ConsentRecords } from '../../../consent/consent-records.ts';
import type { GrantEnder } from '../../../consent/consents.ts';
import type { AuthorizationDetail } from '../../../consent/details/authorization-detail.ts';
import { allowedDetails } from '../../../consent/details/narrowing.ts';
import { isRefusal } from '../../../errors.ts';
import { OPENID_SCOPES } from '../../clients/registered-client.ts';
import type { AskedContent } from './asked-access.ts';

export interface GrantedConsentsOptions {
  readonly consents: Pick<ConsentRecords, 'createAuthorised' | 'authorise' | 'reject' | 'find'>;
  readonly resource: string;
  readonly clock: Clock;
}

/** The access that a customer has allowed. */
export interface GrantedAccess
  extends Pick<AskedConsent, 'clientId' | 'authorizationNumber'>,
    Pick<Authorisation, 'grantId' | 'psuId' | 'accountIds' | 'authentication' | 'requester'> {
  readonly asked: AskedContent;
}

/** Makes grant and consent of a customer's decision, whichever way the customer was asked. */
export class GrantedConsents {
  readonly #options: GrantedConsentsOptions;
  readonly #parts: { readonly provider: Provider; readonly grants: GrantEnder };

  constructor(
    options: GrantedConsentsOptions,
    parts: { readonly provider: Provider; readonly grants: GrantEnder },
  ) {
    this.#options = options;
    this.#parts = parts;
  }

  /**
   * Makes the grant, then authorises the consent: undefined when it was. Repeating changes nothing. The grant covers every
   * claim that the request asks for: the provider would ask about another one for ever. At a renewal the earlier grant ends.
   *
   * @throws ERR_CONSENT_STATUS, ERR_CONSENT_CHANGED, ERR_CONSENT_CUSTOMER when the consent is no longer the one that was shown
   */
  async make(access: GrantedAccess, askedClaims: readonly string[] = []): Promise<Consent | undefined> {
    await this.#grant(access, askedClaims);
    const { consent, isFirst } = await this.#authorise(access);
    const { replacedGrantId } = consent;
    if (replacedGrantId !== undefined) await this.#parts.grants.endGrant(replacedGrantId);
    return isFirst ? consent : undefined;
  }

  /** Whether a consent has, or had until its renewal, this grant. @throws ERR_STORAGE_UNAVAILABLE */
  async hasMade(grantId: string): Promise<boolean> {
    const consent = await this.#options.consents.find(consentIdOf(grantId));
    return consent !== undefined && [consent.grantId, consent.replacedGrantId].includes(grantId);
  }

  /** The customer does not want what a consent asks for. One that no longer waits stays as it is. */
  async reject(consentId: string): Promise<void> {
    await this.#options.consents.reject(consentId, { by: { kind: 'customer' } }).catch((error: unknown) => {
      if (!isRefusal(error, 'ERR_CONSENT_STATUS') && !isRefusal(error, 'ERR_CONSENT_UNKNOWN')) throw error;
    });
  }

  #authorise({ clientId, authorizationNumber, asked, ...allowed }: GrantedAccess): Promise<Changed> {
    const { consents } = this.#options;
    const { contentHash, reference, details, scopes, claims, replaces } = asked;
    const expiresAt = new Date(asked.expiresAt);
    const by = { kind: 'customer' } as const;
    const consentId = consentIdOf(allowed.grantId);
    const reduced = allowedDetails(details, allowed.accountIds);
    const authorisation = { ...allowed, scopes, claims, expiresAt, details: reduced, by };
    if (asked.isNamed) {
      return consents.authorise(consentId, { ...authorisation, contentHash, replaces });
    }
    return consents.createAuthorised(
      { consentId, clientId, authorizationNumber, reference, details, expiresAt, by: { kind: 'tpp' } },
      authorisation,
    );
  }

  async #grant(
    { grantId, clientId, psuId, accountIds, asked }: GrantedAccess,
    askedClaims: readonly string[],
  ): Promise<void> {
    const { resource, clock } = this.#options;
    const { scopes, expiresAt } = asked;
    const seconds = Math.ceil((Date.parse(expiresAt) - clock.now().getTime()) / 1000);
    // `jti` and `expiresIn` are missing from the published types (reference: Grant outranks its tokens).
    const made = { jti: grantId, expiresIn: Math.max(1, seconds) };
    const created = new this.#parts.provider.Grant({ accountId: psuId, clientId, ...made });
    const openid = scopes.filter((scope) => OPENID_SCOPES.includes(scope));
    const apis = scopes.filter(isOfApi);
    if (openid.length > 0) created.addOIDCScope(openid.join(' '));
    // `openid` is in the access token for the APIs as well, which then opens userinfo.
    const ofToken = scopes.filter((scope) => scope === 'openid' || isOfApi(scope));
    if (apis.length > 0) created.addResourceScope(resource, ofToken.join(' '));
    if (askedClaims.length > 0) created.addOIDCClaims([...askedClaims]);
    for (const detail of tokenDetails(asked, accountIds) ?? []) created.addRar({ ...detail });
    await created.save();
  }
}

/** The details that tokens have: those that the customer allowed, where the request asked by authorization details. */
export function tokenDetails(
  { reference, details }: Pick<AskedContent, 'reference' | 'details'>,
  accountIds: readonly string[],
): readonly AuthorizationDetail[] | undefined {
  return reference === 'authorization_details' ? allowedDetails(details, accountIds) : undefined;
}

/** Whether a scope opens an API, for which the customer chooses accounts. */
export function isOfApi(scope: string): boolean {
  return !OPENID_SCOPES.includes(scope);
}
