import { isRefusal, OpenBankingError } from '../errors.ts';
import type { FeedPage } from './change-feed.ts';
import type { AskedConsent, Attribution, ChangedContent } from './consent-changes.ts';
import type { ConsentPage, ConsentRecords, PageRequest } from './consent-records.ts';
import type { Consent } from './consent.ts';

/** Port to the authorization server, which carries out consents as grants. */
export interface GrantEnder {
  /** Ends a grant and every token of it; ending one that is over is no error. */
  endGrant(grantId: string): Promise<void>;
}

/** Of one change against others at the same time. */
const MAX_ATTEMPTS = 100;

/**
 * The consents of a bank's customers, for the bank. A customer authorises one on the pages, in the bank's app or on a
 * device; everything else is here. An API may rely on a consent only while its status is `authorised`.
 */
export class Consents {
  readonly #records: ConsentRecords;
  readonly #grants: GrantEnder;

  constructor(records: ConsentRecords, grants: GrantEnder) {
    this.#records = records;
    this.#grants = grants;
  }

  /** The consent, whatever its status; undefined two years after its end. @throws ERR_STORAGE_UNAVAILABLE */
  find(consentId: string): Promise<Consent | undefined> {
    return this.#records.find(consentId);
  }

  /**
   * Makes a consent that waits for its customer. The details are not checked here.
   *
   * @throws ERR_CONSENT_STATUS when there is a consent of this id, ERR_CONSENT_INVALID for an id that none may have
   */
  create(asked: AskedConsent): Promise<Consent> {
    return this.#records.create(asked);
  }

  /** Another content of a consent that waits. @throws ERR_CONSENT_UNKNOWN, ERR_CONSENT_STATUS */
  change(consentId: string, content: ChangedContent): Promise<Consent> {
    return this.#records.change(consentId, content);
  }

  /** Ends a consent that waits, at the customer's or the bank's wish. @throws ERR_CONSENT_UNKNOWN, ERR_CONSENT_STATUS */
  async reject(consentId: string, by: Attribution): Promise<Consent> {
    return (await this.#records.reject(consentId, by)).consent;
  }

  /**
   * Ends a consent: first its grant with every token, then the consent. After a failure in between the consent can be
   * ended again. Ending one that is over, or that does not exist, is no error.
   *
   * @throws ERR_STORAGE_UNAVAILABLE
   */
  async revoke(consentId: string, by: Attribution = { by: { kind: 'bank' } }): Promise<Consent | undefined> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const read = await this.#records.read(consentId);
      if (read === undefined) return undefined;
      await this.#endGrants(read.consent);
      if (!isOpen(read.consent)) return read.consent;
      const revoked = await this.#records.revokeAsRead(read, by);
      // Otherwise it has changed since it was read: it may have another grant.
      if (revoked !== undefined) return revoked;
    }
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'revoke a consent' });
  }

  /**
   * Marks what was allowed once as carried out, such as a payment; its tokens end. The caller carries it out after
   * `true`, which exactly one caller gets.
   *
   * @throws ERR_CONSENT_UNKNOWN, ERR_STORAGE_UNAVAILABLE
   */
  async consume(consentId: string, by: Attribution): Promise<boolean> {
    const isFirst = await this.#records.consume(consentId, by).then(
      () => true,
      (error: unknown) => {
        if (isRefusal(error, 'ERR_CONSENT_STATUS')) return false;
        throw error;
      },
    );
    const consent = await this.#records.find(consentId);
    if (consent?.status === 'consumed') await this.#endGrants(consent);
    return isFirst;
  }

  /** The consents of a customer, the latest first: at most 1,000. */
  listOfCustomer(psuId: string): Promise<readonly Consent[]> {
    return this.#records.listOfCustomer(psuId);
  }

  /** The consents that a TPP asked for, in pages that cost the same however many there are. */
  pageOfTpp(authorizationNumber: string, page: PageRequest): Promise<ConsentPage> {
    return this.#records.pageOfTpp(authorizationNumber, page);
  }

  /** The consents that a client asked for. */
  pageOfClient(clientId: string, page: PageRequest): Promise<ConsentPage> {
    return this.#records.pageOfClient(clientId, page);
  }

  /** The changes of all consents after a number, of the last 30 days; 0 for the first. */
  readChanges(page: { readonly after: number; readonly limit: number }): Promise<FeedPage> {
    return this.#records.readChanges(page);
  }

  /**
   * Ends the grants of a consent with every token, and leaves the consent as it is: a TPP that revokes its refresh token does the
   * same. @throws ERR_STORAGE_UNAVAILABLE
   */
  async endGrantsOf(consentId: string): Promise<void> {
    const consent = await this.#records.find(consentId);
    if (consent !== undefined) await this.#endGrants(consent);
  }

  async #endGrants({ grantId, replacedGrantId }: Consent): Promise<void> {
    const grants = [grantId, replacedGrantId].filter((one) => one !== undefined);
    await Promise.all(grants.map((one) => this.#grants.endGrant(one)));
  }
}

function isOpen({ status }: Consent): boolean {
  return status === 'authorised' || status === 'awaiting-authorisation';
}
