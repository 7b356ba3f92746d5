import type { Clock } from '../../clock.ts';
import { identifierHash, PayloadEncryption } from '../../storage/record-protection.ts';
import type { Store, StoredRecord } from '../../storage/store.ts';
import { type GrantRevocation, TOMBSTONE_SECONDS } from './grant-revocation.ts';

export interface ClientGrantsOptions {
  readonly store: Store;
  readonly secret: Buffer;
  readonly clock: Clock;
  readonly grants: Pick<GrantRevocation, 'revoke'>;
}

const PAGE = 50;

/** Every grant of a client. */
export class ClientGrants {
  readonly #options: ClientGrantsOptions;
  readonly #hash: (kind: string, id: string) => string;
  readonly #encryption: PayloadEncryption;

  constructor(options: ClientGrantsOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
    this.#encryption = new PayloadEncryption(options.secret);
  }

  /**
   * Ends every grant of a client that no endpoint finds any more, with their tokens. No grant can be written for the client
   * after that, also by a request that was under way.
   */
  async end(clientId: string): Promise<void> {
    const { store, clock, grants } = this.#options;
    const value = this.#hash('clientId', clientId);
    for (;;) {
      // A revoked grant is in no page.
      const { records } = await store.listPage('Grant', 'clientId', value, { limit: PAGE });
      if (records.length === 0) break;
      await Promise.all(records.map((record) => grants.revoke(this.#grantIdOf(record), 'ended')));
    }
    const until = new Date(clock.now().getTime() + TOMBSTONE_SECONDS * 1000);
    await store.deleteByIndex('Grant', 'clientId', value, until);
  }

  #grantIdOf({ id, value }: StoredRecord): string {
    const { jti } = this.#encryption.decrypt(value, `Grant\0${id}`) as { readonly jti: string };
    return jti;
  }
}
