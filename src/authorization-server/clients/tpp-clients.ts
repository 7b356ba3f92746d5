import type { Tpp } from '../../tpp/authenticate.ts';
import { matchesSubject } from '../../x509/certificate/subject-property.ts';
import type { Clients } from './clients.ts';
import { isClientOf, type RegisteredClient } from './registered-client.ts';

/** A client of a TPP. */
export interface ListedClient {
  readonly client: RegisteredClient;
  /** False for one that waits, is disabled or ends. */
  readonly mayAct: boolean;
}

/** Whether a client can be used with a certificate. `ofAnotherSubject`: it is registered for other certificates of the TPP. */
export type ClientUse = 'usable' | 'ofAnotherSubject' | 'notActive';

/** How a client of this TPP can be used with the certificate of the TPP. */
export function useOf(
  { client, mayAct }: ListedClient,
  { onlyClient, certificate }: Pick<Tpp, 'onlyClient' | 'certificate'>,
): ClientUse {
  const { client_id: clientId, subject, token_endpoint_auth_method: method } = client;
  if (!mayAct) return 'notActive';
  const isSelfSigned = method === 'self_signed_tls_client_auth';
  if (onlyClient !== (isSelfSigned ? clientId : undefined)) return 'ofAnotherSubject';
  const fits = subject === undefined || matchesSubject(certificate.parsed, subject.property, subject.value);
  return fits ? 'usable' : 'ofAnotherSubject';
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
