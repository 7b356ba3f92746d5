import type { Provider } from 'oidc-provider';
import type { Clock } from '../../../clock.ts';
import type { Authorisation, AskedConsent } from '../../../consent/consent-changes.ts';
import { type Consent, consentIdOf, newGrantId } from '../../../consent/consent.ts';
import type { ConsentRecords } from '../../../consent/consent-records.ts';
import type { GrantEnder } from '../../../consent/consents.ts';
import { OPENID_SCOPES } from '../../clients/registered-client.ts';

export interface GrantedConsentsOptions {
  readonly consents: Pick<ConsentRecords, 'createAuthorised' | 'authorise'>;
  readonly resource: string;
  readonly consentSeconds: number;
  readonly clock: Clock;
}

/** The access that a customer has allowed. */
export interface GrantedAccess
  extends Pick<AskedConsent, 'clientId' | 'authorizationNumber'>,
    Pick<
      Authorisation,
      'grantId' | 'psuId' | 'accountIds' | 'scopes' | 'claims' | 'authentication' | 'requester'
    > {}

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

  /** The identifier of a grant that is not made yet. */
  newGrantId(): string {
    return newGrantId();
  }

  /** The end of a consent that is made now. */
  until(): Date {
    const { clock, consentSeconds } = this.#options;
    return new Date(clock.now().getTime() + consentSeconds * 1000);
  }

  /**
   * Makes the grant, then the consent: undefined when there was one. Repeating changes nothing. The grant covers every
   * claim that the request asks for: the provider would ask about another one for ever.
   */
  async make(access: GrantedAccess, askedClaims: readonly string[] = []): Promise<Consent | undefined> {
    await this.#grant(access, askedClaims);
    const { clientId, authorizationNumber, ...authorisation } = access;
    const expiresAt = this.until();
    const by = { kind: 'customer' } as const;
    const consentId = consentIdOf(access.grantId);
    const asked = {
      consentId,
      clientId,
      authorizationNumber,
      reference: 'scope',
      details: [],
      expiresAt,
      by,
    } as const;
    const { consent, isFirst } = await this.#options.consents.createAuthorised(asked, {
      ...authorisation,
      expiresAt,
      by,
    });
    return isFirst ? consent : undefined;
  }

  async #grant(
    { grantId, clientId, psuId, scopes }: GrantedAccess,
    askedClaims: readonly string[],
  ): Promise<void> {
    const { resource, consentSeconds } = this.#options;
    // `jti` and `expiresIn` are missing from the published types (reference: Grant outranks its tokens).
    const made = { jti: grantId, expiresIn: consentSeconds };
    const created = new this.#parts.provider.Grant({ accountId: psuId, clientId, ...made });
    const openid = scopes.filter((scope) => OPENID_SCOPES.includes(scope));
    const apis = scopes.filter(isOfApi);
    if (openid.length > 0) created.addOIDCScope(openid.join(' '));
    // `openid` is in the access token for the APIs as well, which then opens userinfo.
    const ofToken = scopes.filter((scope) => scope === 'openid' || isOfApi(scope));
    if (apis.length > 0) created.addResourceScope(resource, ofToken.join(' '));
    if (askedClaims.length > 0) created.addOIDCClaims([...askedClaims]);
    await created.save();
  }
}

/** Whether a scope opens an API, for which the customer chooses accounts. */
export function isOfApi(scope: string): boolean {
  return !OPENID_SCOPES.includes(scope);
}
