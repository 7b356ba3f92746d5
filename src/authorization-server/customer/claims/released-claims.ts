import type { ConsentRecords } from '../../../consent/consent-records.ts';
import { isRefusal } from '../../../errors.ts';
import type { Log } from '../../../events.ts';
import type { AspspCalls } from '../bank/aspsp-calls.ts';
import { INTENT_CLAIM } from '../../request/authorization-request/named-access.ts';
import type { CustomerClaim, CustomerClaimValues } from './customer-claims.ts';

export interface ReleasedClaimsOptions {
  readonly aspsp: Pick<AspspCalls, 'findClaims'>;
  readonly consents: Pick<ConsentRecords, 'find'>;
  /** Claims about customers that this bank gives to TPPs. */
  readonly customerClaims: readonly CustomerClaim[];
  readonly log: Log;
}

/** The claims about a customer that leave this server: asked for, allowed by the customer and given by the bank. */
export class ReleasedClaims {
  readonly #options: ReleasedClaimsOptions;

  constructor(options: ReleasedClaimsOptions) {
    this.#options = options;
  }

  /**
   * For an ID token; the provider has removed what the customer did not allow. A bank that does not answer is an event,
   * and no error: the code is used up by now, and no claim may be waited for (OpenID Connect Core §5.5.1).
   */
  async ofIdToken(psuId: string, asked: readonly string[], clientId: string): Promise<CustomerClaimValues> {
    const { aspsp, log } = this.#options;
    try {
      return await aspsp.findClaims(psuId, this.#given(asked));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      log.emit('psu.claims.missing', { clientId, error });
      return {};
    }
  }

  /** For the UserInfo endpoint, with the intent where the request named one. @throws ERR_ASPSP_UNAVAILABLE, ERR_ASPSP_ANSWER, ERR_STORAGE_UNAVAILABLE */
  async ofUserinfo(psuId: string, consentId: string): Promise<Readonly<Record<string, unknown>>> {
    const { aspsp, consents } = this.#options;
    const consent = await consents.find(consentId);
    const allowed = consent?.status === 'authorised' ? consent.claims?.userinfo : undefined;
    const ofCustomer = await aspsp.findClaims(psuId, this.#given(allowed ?? []));
    return consent?.reference === 'openbanking_intent_id'
      ? { ...ofCustomer, [INTENT_CLAIM]: consentId }
      : ofCustomer;
  }

  #given(asked: readonly string[]): readonly CustomerClaim[] {
    return this.#options.customerClaims.filter((name) => asked.includes(name));
  }
}
