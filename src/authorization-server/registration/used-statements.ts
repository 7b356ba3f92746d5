import { identifierHash } from '../../storage/record-protection.ts';
import type { Store } from '../../storage/store.ts';
import { type ProvenStatement, unapprovedRefusal } from './statement-profile.ts';

const USED = 'UsedStatement';

/** Statements that register one client only: each is used by one of any number of requests. */
export class UsedStatements {
  readonly #store: Store;
  readonly #hash: (kind: string, id: string) => string;

  constructor({ store, secret }: { readonly store: Store; readonly secret: Buffer }) {
    this.#store = store;
    this.#hash = identifierHash(secret);
  }

  /** @throws ERR_REGISTRATION_UNAPPROVED for one that is used up */
  async use(statement: ProvenStatement['singleUse']): Promise<void> {
    if (statement === undefined) return;
    const { id, until } = statement;
    const isFirst = await this.#store.putIfAbsent(USED, this.#hash(USED, id), {
      value: null,
      expiresAt: until,
    });
    if (!isFirst) {
      throw unapprovedRefusal(
        'the statement (RFC 7591 section 2.3)',
        'has registered a client already, and registers one only',
      );
    }
  }
}
