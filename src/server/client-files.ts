import { z } from 'zod';
import { invalidConfig } from '../errors.ts';
import type { ClientFiles } from '../authorization-server/clients/clients.ts';
import type { RegisteredClient } from '../authorization-server/clients/registered-client.ts';
import { type ClientEntry, clientSchema, doubledClients } from '../configuration/client-schema.ts';
import { openFollowedFile } from '../files/followed-file.ts';
import type { Log } from '../events.ts';
import { parseValue, parseYaml } from '../configuration/yaml-document.ts';
import { SUBJECT_PROPERTIES } from '../x509/certificate/subject-property.ts';

export interface ClientFilesOptions {
  /** Those of the configuration itself. */
  readonly entries: readonly ClientEntry[];
  /** YAML or JSON with `clients`, read again when it changes. */
  readonly file?: string | undefined;
  readonly log: Log;
  readonly pollSeconds?: number;
}

const POLL_SECONDS = 1;
const clientsFile = z.strictObject({ clients: z.array(clientSchema) });

/**
 * Opens the clients of the configuration and of its file. A changed file replaces its clients as a whole: a client that is no longer there
 * is refused at its next request. A bad file is logged, and the last good copy stays.
 *
 * @throws ERR_CONFIG_INVALID
 */
export async function openClientFiles(options: ClientFilesOptions): Promise<ClientFiles> {
  const { entries, file, log } = options;
  const takers = new Set<(clients: readonly RegisteredClient[]) => void>();
  const parse = (content: string): ReadonlyMap<string, RegisteredClient> => {
    const more = parseValue(clientsFile, parseYaml(content, file ?? ''), file ?? '').clients;
    const doubles = doubledClients([...entries, ...more]);
    if (doubles.length > 0) throw invalidConfig(file ?? '', doubles);
    const clients = byId([...entries, ...more]);
    for (const take of takers) take([...clients.values()]);
    return clients;
  };
  const followed =
    file === undefined
      ? { current: byId(entries), close: async () => {} }
      : await openFollowedFile({
          file,
          name: 'clients',
          log,
          pollSeconds: options.pollSeconds ?? POLL_SECONDS,
          parse,
          unreadable: (cause) =>
            invalidConfig(file, [{ path: 'clientsFile', message: `cannot be read: ${cause.code}` }], cause),
          count: (clients) => clients.size,
        });
  return {
    find: (clientId) => followed.current.get(clientId),
    follow: (take) => {
      take([...followed.current.values()]);
      takers.add(take);
    },
    close: () => followed.close(),
  };
}

function byId(entries: readonly ClientEntry[]): ReadonlyMap<string, RegisteredClient> {
  return new Map(entries.map((entry) => [entry.client_id, registeredClient(entry)]));
}

function registeredClient(client: ClientEntry): RegisteredClient {
  const property = SUBJECT_PROPERTIES.find((name) => client[name] !== undefined);
  const value = property === undefined ? undefined : client[property];
  return {
    client_id: client.client_id,
    client_name: client.client_name,
    authorization_number: client.authorization_number,
    token_endpoint_auth_method: client.token_endpoint_auth_method,
    redirect_uris: client.redirect_uris,
    grant_types: client.grant_types,
    scope: client.scope,
    nca: client.nca,
    jwks: client.jwks,
    id_token_signed_response_alg: client.id_token_signed_response_alg,
    subject: property === undefined || value === undefined ? undefined : { property, value },
  };
}
