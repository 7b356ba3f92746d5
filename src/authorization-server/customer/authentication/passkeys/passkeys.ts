import type { AuthenticatorTransport, WebAuthnCredential } from '@simplewebauthn/server';
import type { Clock } from '../../../../clock.ts';
import { identifierHash, PayloadEncryption } from '../../../../storage/record-protection.ts';
import type { Store, StoredRecord } from '../../../../storage/store.ts';

export interface PasskeysOptions {
  readonly store: Pick<Store, 'find' | 'putIfAbsent' | 'listByIndex' | 'replace' | 'delete'>;
  readonly clock: Clock;
  readonly secret: Buffer;
}

/** A passkey of a customer. */
export interface Passkey {
  readonly credentialId: string;
  readonly psuId: string;
  /** COSE key, in base64url. */
  readonly publicKey: string;
  readonly counter: number;
  readonly transports: readonly string[];
  /** Whether its key never leaves one authenticator; a synced one may be on several devices. */
  readonly isDeviceBound: boolean;
  /** By the customer. */
  readonly name: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly lastUsedAt?: string | undefined;
}

/** A passkey as it was read. */
export interface FoundPasskey {
  readonly passkey: Passkey;
  readonly read: StoredRecord;
}

const KIND = 'Passkey';
export const MAX_PASSKEYS = 10;

/** The passkeys of customers: encrypted, found by keyed hashes. The customer, or the bank, removes them. */
export class Passkeys {
  readonly #options: PasskeysOptions;
  readonly #hash: (kind: string, id: string) => string;
  readonly #encryption: PayloadEncryption;

  constructor(options: PasskeysOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
    this.#encryption = new PayloadEncryption(options.secret);
  }

  async find(credentialId: string): Promise<FoundPasskey | undefined> {
    const read = await this.#options.store.find(KIND, this.#hash(KIND, credentialId));
    return read && { passkey: this.#restored(read), read };
  }

  /** Oldest first. */
  async listOf(psuId: string): Promise<readonly Passkey[]> {
    const records = await this.#options.store.listByIndex(KIND, 'psu', this.#hash('psu', psuId));
    return records.map((record) => this.#restored(record));
  }

  /** False when the customer has as many as there may be, or another customer has this one. */
  async add(passkey: Omit<Passkey, 'createdAt'>): Promise<boolean> {
    if ((await this.listOf(passkey.psuId)).length >= MAX_PASSKEYS) return false;
    const id = this.#hash(KIND, passkey.credentialId);
    const createdAt = this.#options.clock.now().toISOString();
    return this.#options.store.putIfAbsent(KIND, id, this.#recordOf(id, { ...passkey, createdAt }));
  }

  /** Removes a passkey of this customer; another one stays. */
  async remove(psuId: string, credentialId: string): Promise<boolean> {
    const found = await this.find(credentialId);
    if (found?.passkey.psuId !== psuId) return false;
    await this.#options.store.delete(KIND, found.read.id);
    return true;
  }

  /** Stores the counter of a use: false when another use came first (Web Authentication §6.1.1). */
  used({ passkey, read }: FoundPasskey, counter: number): Promise<boolean> {
    const lastUsedAt = this.#options.clock.now().toISOString();
    return this.#options.store.replace(
      KIND,
      read,
      this.#recordOf(read.id, { ...passkey, counter, lastUsedAt }),
    );
  }

  #recordOf(id: string, passkey: Passkey) {
    return {
      value: this.#encryption.encrypt(passkey, boundTo(id)),
      indexes: { psu: this.#hash('psu', passkey.psuId) },
    };
  }

  #restored({ id, value }: StoredRecord): Passkey {
    return this.#encryption.decrypt(value, boundTo(id)) as Passkey;
  }
}

/** As the library verifies it. */
export function credentialOf({ credentialId, publicKey, counter, transports }: Passkey): WebAuthnCredential {
  return {
    id: credentialId,
    publicKey: new Uint8Array(Buffer.from(publicKey, 'base64url')),
    counter,
    transports: [...transports] as AuthenticatorTransport[],
  };
}

function boundTo(id: string): string {
  return `${KIND}\0${id}`;
}
