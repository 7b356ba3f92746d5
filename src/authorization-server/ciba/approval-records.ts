import { createHmac } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { identifierHash, PayloadEncryption } from '../../storage/record-protection.ts';
import type { Store, StoredRecord } from '../../storage/store.ts';

/** Names of OpenID Connect Core §3.1.2.1 and CIBA Core §7.1. */
export type ApprovalParams = Readonly<
  Partial<
    Record<
      | 'scope'
      | 'authorization_details'
      | 'claims'
      | 'acr_values'
      | 'max_age'
      | 'binding_message'
      | 'ui_locales',
      string
    >
  >
>;

/** A question that waits for a customer, as the store keeps it. */
export interface ApprovalRecord {
  readonly approvalId: string;
  readonly authReqId: string;
  readonly clientId: string;
  /** Undefined: no customer of the bank was meant, and no question was asked. */
  readonly psuId: string | undefined;
  /** Of the client's open questions for this customer. */
  readonly place: string;
  /** The parameters of the request that a decision depends on. */
  readonly params: ApprovalParams;
  readonly expiresAt: Date;
}

interface ApprovalRecordsOptions {
  readonly store: Pick<Store, 'find' | 'listByIndex' | 'put'>;
  readonly clock: Clock;
  readonly secret: Buffer;
}

const KIND = 'Approval';
/** An answer that comes late is refused as late, and not as one without a request. */
const KEPT_LONGER_SECONDS = 300;

/** The open questions in the store: encrypted, found by keyed hashes of the approval's id and of the customer. */
export class ApprovalRecords {
  readonly #options: ApprovalRecordsOptions;
  readonly #hash: (kind: string, id: string) => string;
  readonly #encryption: PayloadEncryption;

  constructor(options: ApprovalRecordsOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
    this.#encryption = new PayloadEncryption(options.secret);
  }

  /** Derived, so that neither id leads to the other without the secret. */
  idOf(authReqId: string): string {
    return createHmac('sha256', this.#options.secret).update(`approval\0${authReqId}`).digest('base64url');
  }

  async put(record: ApprovalRecord): Promise<void> {
    const id = this.#hash(KIND, record.approvalId);
    await this.#options.store.put(KIND, id, {
      value: this.#encryption.encrypt(record, boundTo(id)),
      expiresAt: new Date(record.expiresAt.getTime() + KEPT_LONGER_SECONDS * 1000),
      ...(record.psuId === undefined ? {} : { indexes: { psu: this.#hash('psu', record.psuId) } }),
    });
  }

  /** Also after its end, for a while. */
  async find(approvalId: string): Promise<ApprovalRecord | undefined> {
    const record = await this.#options.store.find(KIND, this.#hash(KIND, approvalId));
    return record === undefined ? undefined : this.#restored(record);
  }

  /** The questions of a customer that have not ended, oldest first. */
  async listOpen(psuId: string): Promise<readonly ApprovalRecord[]> {
    const { store, clock } = this.#options;
    const all = await store.listByIndex(KIND, 'psu', this.#hash('psu', psuId));
    return all.map((one) => this.#restored(one)).filter(({ expiresAt }) => expiresAt > clock.now());
  }

  #restored({ id, value }: StoredRecord): ApprovalRecord {
    const stored = this.#encryption.decrypt(value, boundTo(id)) as StoredApproval;
    return { ...stored, expiresAt: new Date(stored.expiresAt) };
  }
}

type StoredApproval = Omit<ApprovalRecord, 'expiresAt'> & { readonly expiresAt: string };

function boundTo(id: string): string {
  return `${KIND}\0${id}`;
}
