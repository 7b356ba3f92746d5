import type { Clock } from '../clock.ts';
import { isRefusal, OpenBankingError } from '../errors.ts';
import { type Log, silentLog } from '../events.ts';
import { psuField } from './psu-name.ts';
import { identifierHash, PayloadEncryption } from '../storage/record-protection.ts';
import type { RecordToStore, Store, StoredRecord } from '../storage/store.ts';
import { ChangeFeed, type FeedPage } from './change-feed.ts';
import {
  asked,
  type AskedConsent,
  type Attribution,
  type Authorisation,
  authorised,
  type ChangedContent,
  consumed,
  type Moment,
  rejected,
  revoked,
  withContent,
} from './consent-changes.ts';
import { type Consent, CONSENT_ID, newConsentId, statusAt } from './consent.ts';

export interface ConsentRecordsOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Keys are derived from it, of the encryption and of the hashes of identifiers; 32 bytes. */
  readonly secret: Buffer;
  /** Has one event for each change. */
  readonly log?: Log | undefined;
}

/** Some consents of an index, in an order of the store's own. */
export interface ConsentPage {
  readonly consents: readonly Consent[];
  /** Where the next page begins; absent for the last one. */
  readonly next?: string | undefined;
}

export interface PageRequest {
  readonly after?: string | undefined;
  readonly limit: number;
}

const KIND = 'Consent';
const DAY = 24 * 3600 * 1000;
/** A consent is kept for two years after its end, for the history of the customer. */
const HISTORY = 2 * 365 * DAY;
/** A consent that was never decided is kept for a month, so that its TPP finds that it expired. */
const UNDECIDED = 30 * DAY;
/** Of one change against others at the same time: each failure means that another one has succeeded. */
const MAX_ATTEMPTS = 100;
/** Consents of one customer that a page shows at most. */
const MAX_OF_CUSTOMER = 1000;

/**
 * The consents in the store: encrypted, found by their identifiers and by keyed hashes. Every change is one write, which
 * succeeds only if the consent is still the one that was read.
 */
export class ConsentRecords {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #encryption: PayloadEncryption;
  readonly #hash: (kind: string, id: string) => string;
  readonly #feed: ChangeFeed;
  readonly #report: (consent: Consent) => void;

  constructor({ store, clock, secret, log = silentLog }: ConsentRecordsOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#encryption = new PayloadEncryption(secret);
    this.#hash = identifierHash(secret);
    this.#feed = new ChangeFeed({ store, clock, encryption: this.#encryption });
    this.#report = ({ clientId, authorizationNumber, consentId, psuId, status, history }) => {
      const named = { clientId, authorizationNumber, consentId, ...psuField(secret, psuId) };
      const kind = history.at(-1)?.by.kind;
      log.emit('consent.changed', { ...named, ...(kind === undefined ? {} : { kind }), outcome: status });
    };
  }

  /**
   * The consent, whatever its status.
   *
   * @throws ERR_STORAGE_UNAVAILABLE for a record that this server has not encrypted: "not found" would let its grant live
   */
  async find(consentId: string): Promise<Consent | undefined> {
    return (await this.read(consentId))?.consent;
  }

  /** @throws ERR_CONSENT_STATUS when there is a consent of this id, ERR_CONSENT_INVALID for an id that none may have */
  async create(asking: AskedConsent): Promise<Consent> {
    const { consentId = newConsentId() } = asking;
    const { consent, isNew } = await this.#add(consentId, (moment) =>
      asked({ ...asking, consentId }, moment),
    );
    if (isNew) return consent;
    throw new OpenBankingError('ERR_CONSENT_STATUS', { consentId, status: consent.status });
  }

  /**
   * A consent that no one asked for before, with its authorisation. The same grant again changes nothing.
   *
   * @throws ERR_CONSENT_STATUS when there is another consent of this id
   */
  async createAuthorised(
    asking: AskedConsent & { readonly consentId: string },
    authorisation: Omit<Authorisation, 'contentHash'>,
  ): Promise<Changed> {
    const { consentId } = asking;
    const { consent, isNew } = await this.#add(consentId, (moment) => {
      const before = { ...asked(asking, moment), history: [] };
      return authorised(before, { ...authorisation, contentHash: before.contentHash }, moment);
    });
    if (isNew || consent.grantId === authorisation.grantId) return { consent, isFirst: isNew };
    throw new OpenBankingError('ERR_CONSENT_STATUS', { consentId, status: consent.status });
  }

  /** @throws ERR_CONSENT_UNKNOWN, ERR_CONSENT_STATUS */
  async change(consentId: string, content: ChangedContent): Promise<Consent> {
    const { consent } = await this.#update(consentId, (before, moment) =>
      withContent(before, content, moment),
    );
    return consent;
  }

  /** The same grant again changes nothing. @throws ERR_CONSENT_UNKNOWN, and as `authorised` */
  authorise(consentId: string, authorisation: Authorisation): Promise<Changed> {
    const { grantId } = authorisation;
    return this.#update(consentId, (before, moment) =>
      before.grantId === grantId ? before : authorised(before, authorisation, moment),
    );
  }

  /** @throws ERR_CONSENT_UNKNOWN, ERR_CONSENT_STATUS */
  reject(consentId: string, by: Attribution): Promise<Changed> {
    return this.#update(consentId, (before, moment) => rejected(before, by, moment));
  }

  /**
   * Revokes a consent that is still the given one.
   *
   * @returns undefined when it has changed since
   * @throws ERR_CONSENT_STATUS
   */
  async revokeAsRead(read: ReadConsent, by: Attribution): Promise<Consent | undefined> {
    const { consentId } = read.consent;
    const moment = await this.#moment(consentId);
    const consent = revoked(read.consent, by, moment);
    if (await this.#store.replace(KIND, read.record, this.#recordOf(consent))) {
      this.#report(consent);
      return consent;
    }
    await this.#feed.withdraw(moment.number, consentId);
    return undefined;
  }

  /** @throws ERR_CONSENT_UNKNOWN, ERR_CONSENT_STATUS */
  consume(consentId: string, by: Attribution): Promise<Changed> {
    return this.#update(consentId, (before, moment) => consumed(before, by, moment));
  }

  /** The consents of a customer, the latest first: at most 1,000. */
  async listOfCustomer(psuId: string): Promise<readonly Consent[]> {
    const records = await this.#store.listByIndex(KIND, 'psu', this.#hash('psu', psuId));
    return records
      .slice(-MAX_OF_CUSTOMER)
      .reverse()
      .map((record) => this.#restored(record));
  }

  /** The consents that a TPP asked for. */
  pageOfTpp(authorizationNumber: string, page: PageRequest): Promise<ConsentPage> {
    return this.#page('authorizationNumber', authorizationNumber, page);
  }

  pageOfClient(clientId: string, page: PageRequest): Promise<ConsentPage> {
    return this.#page('client', clientId, page);
  }

  /** The changes of all consents after a number. */
  readChanges(page: { readonly after: number; readonly limit: number }): Promise<FeedPage> {
    return this.#feed.read(page, (consentId) => this.find(consentId));
  }

  /** The consent with the record that it was read from, for a change that must not pass another one. */
  async read(consentId: string): Promise<ReadConsent | undefined> {
    if (!CONSENT_ID.test(consentId)) return undefined;
    const record = await this.#store.find(KIND, consentId);
    return record === undefined ? undefined : { consent: this.#restored(record), record };
  }

  async #page(name: string, value: string, page: PageRequest): Promise<ConsentPage> {
    const { records, next } = await this.#store.listPage(KIND, name, this.#hash(name, value), page);
    return { consents: records.map((record) => this.#restored(record)), next };
  }

  async #add(
    consentId: string,
    make: (moment: Moment) => Consent,
  ): Promise<{ readonly consent: Consent; readonly isNew: boolean }> {
    if (!CONSENT_ID.test(consentId)) {
      throw new OpenBankingError('ERR_CONSENT_INVALID', {
        problem: 'the id has other characters, or too many',
      });
    }
    const moment = await this.#moment(consentId);
    const consent = make(moment);
    if (await this.#store.putIfAbsent(KIND, consentId, this.#recordOf(consent))) {
      this.#report(consent);
      return { consent, isNew: true };
    }
    await this.#feed.withdraw(moment.number, consentId);
    return { consent: (await this.find(consentId)) ?? consent, isNew: false };
  }

  async #update(consentId: string, make: (before: Consent, moment: Moment) => Consent): Promise<Changed> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const read = await this.read(consentId);
      if (read === undefined) throw new OpenBankingError('ERR_CONSENT_UNKNOWN', { consentId });
      const { consent: before, record } = read;
      // Refuses before a number is taken for nothing.
      if (make(before, { now: this.#clock.now(), number: 0 }) === before)
        return { consent: before, isFirst: false };
      const moment = await this.#moment(consentId);
      const consent = make(before, moment);
      if (await this.#store.replace(KIND, record, this.#recordOf(consent))) {
        this.#report(consent);
        return { consent, before, isFirst: true };
      }
      await this.#feed.withdraw(moment.number, consentId);
    }
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'replace a consent' });
  }

  async #moment(consentId: string): Promise<Moment> {
    return { number: await this.#feed.announce(consentId), now: this.#clock.now() };
  }

  #recordOf(consent: Consent): RecordToStore {
    const { consentId, psuId, authorizationNumber, clientId } = consent;
    return {
      value: this.#encryption.encrypt(consent, boundTo(consentId)),
      expiresAt: keptUntil(consent),
      indexes: {
        authorizationNumber: this.#hash('authorizationNumber', authorizationNumber),
        client: this.#hash('client', clientId),
        ...(psuId === undefined ? {} : { psu: this.#hash('psu', psuId) }),
      },
    };
  }

  #restored({ id, value }: StoredRecord): Consent {
    const stored = this.#encryption.decrypt(value, boundTo(id)) as StoredConsent;
    const expiresAt = new Date(stored.expiresAt);
    return Object.freeze({
      ...stored,
      status: statusAt({ status: stored.status, expiresAt }, this.#clock.now()),
      createdAt: new Date(stored.createdAt),
      statusChangedAt: new Date(stored.statusChangedAt),
      expiresAt,
    });
  }
}

/** A consent, and the record that it was read from. */
export interface ReadConsent {
  readonly consent: Consent;
  readonly record: StoredRecord;
}

/** A consent after a change. */
export interface Changed {
  readonly consent: Consent;
  readonly before?: Consent;
  /** Whether this call has changed it. */
  readonly isFirst: boolean;
}

type StoredConsent = Omit<Consent, 'createdAt' | 'statusChangedAt' | 'expiresAt'> &
  Readonly<Record<'createdAt' | 'statusChangedAt' | 'expiresAt', string>>;

function keptUntil({ status, expiresAt, statusChangedAt }: Consent): Date {
  if (status === 'awaiting-authorisation') return new Date(expiresAt.getTime() + UNDECIDED);
  return new Date((status === 'authorised' ? expiresAt : statusChangedAt).getTime() + HISTORY);
}

function boundTo(consentId: string): string {
  return `${KIND}\0${consentId}`;
}

/** Whether a record of the store is a consent that was encrypted with this secret. */
export function isConsentOf(secret: Buffer, { id, value }: Pick<StoredRecord, 'id' | 'value'>): boolean {
  try {
    new PayloadEncryption(secret).decrypt(value, boundTo(id));
    return true;
  } catch (error) {
    if (isRefusal(error, 'ERR_STORAGE_UNAVAILABLE')) return false;
    throw error;
  }
}
