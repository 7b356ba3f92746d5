import type { Clients } from './clients.ts';
import { isClientOf, type RegisteredClient } from './registered-client.ts';

/** A client of a TPP. */
export interface ListedClient {
  readonly client: RegisteredClient;
  /** False for one that waits, is disabled or ends. */
  readonly mayAct: boolean;
}

/** The clients of a TPP, of the files and of the store, at most `limit` of each. @throws ERR_STORAGE_UNAVAILABLE */
export async function clientsOfTpp(
  clients: Pick<Clients, 'namedOfTpp' | 'findNamed' | 'page'>,
  tpp: { readonly authorizationNumber: string; readonly nca: string },
  limit: number,
): Promise<readonly ListedClient[]> {
  const { authorizationNumber } = tpp;
  const named = clients.namedOfTpp(authorizationNumber, limit).map((client) => {
    return { client, mayAct: clients.findNamed(client.client_id) !== undefined };
  });
  const stored = await clients.page({ authorizationNumber }, { limit });
  const all = [
    ...named,
    ...stored.clients.map(({ client, status }) => ({ client, mayAct: status === 'active' })),
  ];
  return all.filter(({ client }) => isClientOf(client, tpp));
}
