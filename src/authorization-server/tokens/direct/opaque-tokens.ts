import type { AdapterPayload, Client } from 'oidc-provider';
import type { ModelRecords } from '../../models/adapter.ts';

/** The kinds of access tokens: of a customer's consent, and of a client alone. */
export type TokenKind = 'AccessToken' | 'ClientCredentials';

/**
 * The records of opaque access tokens. A client mostly asks about tokens of one kind: that of its last token is looked for
 * first, so that most look-ups read one record.
 */
export class OpaqueTokens {
  readonly ofClients: Pick<ModelRecords, 'find' | 'destroy'>;
  readonly #ofCustomers: Pick<ModelRecords, 'find'>;
  readonly #lastKinds = new WeakMap<Client, TokenKind>();

  constructor(recordsOf: (model: string) => ModelRecords) {
    this.ofClients = recordsOf('ClientCredentials');
    this.#ofCustomers = recordsOf('AccessToken');
  }

  /** The kind of the last token of which the client has asked. */
  lastKind(client: Client): TokenKind {
    return this.#lastKinds.get(client) ?? 'AccessToken';
  }

  noteKind(client: Client, kind: TokenKind): void {
    this.#lastKinds.set(client, kind);
  }

  /** The record of a token, of this client or another. Does not check its `exp`. @throws what the adapter throws */
  async find(value: string, client: Client): Promise<AdapterPayload | undefined> {
    const first = this.lastKind(client);
    const found = await this.#recordsOf(first).find(value);
    if (found !== undefined) return found;
    const other = first === 'AccessToken' ? 'ClientCredentials' : 'AccessToken';
    const token = await this.#recordsOf(other).find(value);
    if (token !== undefined) this.noteKind(client, other);
    return token;
  }

  #recordsOf(kind: TokenKind): Pick<ModelRecords, 'find'> {
    return kind === 'AccessToken' ? this.#ofCustomers : this.ofClients;
  }
}
