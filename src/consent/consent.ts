import { createHmac, hkdfSync } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { identifierHash, PayloadEncryption } from '../storage/record-protection.ts';
import type { Store, StoredRecord } from '../storage/store.ts';

const KIND = 'Consent';

/** The accounts and scopes that a PSU has allowed a TPP, with their end. Access tokens name it as `consent_id`. */
export interface Consent {
  readonly consentId: string;
  /** The grant of the authorization server that carries out the consent. */
  readonly grantId: string;
  readonly clientId: string;
  readonly authorizationNumber: string;
  readonly psuId: string;
  /** The accounts that the PSU chose, by the bank's own identifiers. */
  readonly accountIds: readonly string[];
  readonly scopes: readonly string[];
  /** The claims about the PSU that the TPP may have, by the place where it asked for them. */
  readonly claims?: {
    readonly idToken: readonly string[];
    readonly userinfo: readonly string[];
  };
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export interface ConsentRecordsOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Keys are derived from it, of the encryption and of the hashes of identifiers; 32 bytes. */
  readonly secret: Buffer;
}

/** The consents in the store: encrypted, found by their identifiers and by keyed hashes. */
export class ConsentRecords {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #key: Buffer;
  readonly #encryption: PayloadEncryption;
  readonly #hash: (kind: string, id: string) => string;

  constructor({ store, clock, secret }: ConsentRecordsOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#encryption = new PayloadEncryption(secret);
    this.#hash = identifierHash(secret);
    this.#key = Buffer.from(hkdfSync('sha256', secret, '', 'tallystick consents', 32));
  }

  /** The `consent_id` of a grant's one consent, whether or not the consent still exists. */
  idOf(grantId: string): string {
    return createHmac('sha256', this.#key).update(grantId).digest('base64url');
  }

  /** Records a consent from now on for `lifetimeSeconds`: undefined when its grant has one. */
  async create(
    consent: Omit<Consent, 'consentId' | 'createdAt' | 'expiresAt'>,
    lifetimeSeconds: number,
  ): Promise<Consent | undefined> {
    const createdAt = this.#clock.now();
    const expiresAt = new Date(createdAt.getTime() + lifetimeSeconds * 1000);
    const consentId = this.idOf(consent.grantId);
    const created: Consent = Object.freeze({ ...consent, consentId, createdAt, expiresAt });
    const isNew = await this.#store.putIfAbsent(KIND, consentId, {
      value: this.#encryption.encrypt(created, boundTo(consentId)),
      expiresAt,
      indexes: {
        psu: this.#hash('psu', created.psuId),
        authorizationNumber: this.#hash('authorizationNumber', created.authorizationNumber),
      },
    });
    return isNew ? created : undefined;
  }

  /**
   * The consent if it exists, has not expired and has not been revoked.
   *
   * @throws ERR_STORAGE_UNAVAILABLE for a record that this server has not encrypted: "not found" would let its grant live
   */
  async find(consentId: string): Promise<Consent | undefined> {
    const record = await this.#store.find(KIND, consentId);
    return record === undefined ? undefined : this.#restored(record);
  }

  #restored({ id, value }: StoredRecord): Consent {
    const stored = this.#encryption.decrypt(value, boundTo(id)) as StoredConsent;
    return Object.freeze({
      ...stored,
      createdAt: new Date(stored.createdAt),
      expiresAt: new Date(stored.expiresAt),
    });
  }

  /** Removes the record alone. `Consents.revoke` ends a consent. */
  delete(consentId: string): Promise<void> {
    return this.#store.delete(KIND, consentId);
  }
}

/** Port to the authorization server, which carries out consents as grants. */
export interface GrantEnder {
  /** Ends a grant and every token of it; ending one that is over is no error. */
  endGrant(grantId: string): Promise<void>;
}

/** The consents of a bank's customers, for the bank. */
export class Consents {
  readonly #records: Pick<ConsentRecords, 'find' | 'delete'>;
  readonly #grants: GrantEnder;

  constructor(records: Pick<ConsentRecords, 'find' | 'delete'>, grants: GrantEnder) {
    this.#records = records;
    this.#grants = grants;
  }

  /** The consent if it exists, has not expired and has not been revoked. */
  find(consentId: string): Promise<Consent | undefined> {
    return this.#records.find(consentId);
  }

  /**
   * Ends a consent: first its grant with every token, then the record. A failure in between leaves the record, so that
   * the consent can be ended again. Ending one that is over is no error.
   *
   * @throws ERR_STORAGE_UNAVAILABLE
   */
  async revoke(consentId: string): Promise<void> {
    const consent = await this.#records.find(consentId);
    if (consent === undefined) return;
    await this.#grants.endGrant(consent.grantId);
    await this.#records.delete(consentId);
  }
}

type StoredConsent = Omit<Consent, 'createdAt' | 'expiresAt'> &
  Readonly<Record<'createdAt' | 'expiresAt', string>>;

function boundTo(consentId: string): string {
  return `${KIND}\0${consentId}`;
}
