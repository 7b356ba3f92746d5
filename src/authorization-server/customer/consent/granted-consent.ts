import { randomBytes } from 'node:crypto';
import type { Provider } from 'oidc-provider';
import type { Clock } from '../../../clock.ts';
import type { Consent, ConsentRecords } from '../../../consent/consent.ts';
import { OPENID_SCOPES } from '../../clients/registered-client.ts';

export interface GrantedConsentsOptions {
  readonly consents: Pick<ConsentRecords, 'create'>;
  readonly resource: string;
  readonly consentSeconds: number;
  readonly clock: Clock;
}

/** The access that a customer has allowed. */
export type GrantedAccess = Omit<Consent, 'consentId' | 'createdAt' | 'expiresAt'>;

const GRANT_ID_BYTES = 32;

/** Makes grant and consent of a customer's decision, whichever way the customer was asked. */
export class GrantedConsents {
  readonly #options: GrantedConsentsOptions;
  readonly #provider: Provider;

  constructor(options: GrantedConsentsOptions, provider: Provider) {
    this.#options = options;
    this.#provider = provider;
  }

  /** The identifier of a grant that is not made yet. */
  newGrantId(): string {
    return randomBytes(GRANT_ID_BYTES).toString('base64url');
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
    const { consents, consentSeconds } = this.#options;
    return consents.create(access, consentSeconds);
  }

  async #grant(
    { grantId, clientId, psuId, scopes }: GrantedAccess,
    askedClaims: readonly string[],
  ): Promise<void> {
    const { resource, consentSeconds } = this.#options;
    // `jti` and `expiresIn` are missing from the published types (reference: Grant outranks its tokens).
    const made = { jti: grantId, expiresIn: consentSeconds };
    const created = new this.#provider.Grant({ accountId: psuId, clientId, ...made });
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
