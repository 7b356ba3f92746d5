import { z } from 'zod';
import { invalidConfig } from '../errors.ts';
import type { ClientFiles } from '../authorization-server/clients/clients.ts';
import type { RegisteredClient } from '../authorization-server/clients/registered-client.ts';
import { type ClientEntry, clientSchema, findClientProblems } from '../configuration/client-schema.ts';
import { openFollowedFile } from '../files/followed-file.ts';
import type { Log } from '../events.ts';
import { subjectsOf } from '../configuration/subject-schema.ts';
import { parseValue, parseYaml } from '../configuration/yaml-document.ts';

export interface ClientFilesOptions {
  /** Those of the configuration itself. */
  readonly entries: readonly ClientEntry[];
  /** Scopes that a client may have besides those of OpenID Connect. */
  readonly apiScopes: readonly string[];
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
  const { entries, apiScopes, file, log } = options;
  const takers = new Set<(clients: readonly RegisteredClient[]) => void>();
  const parse = (content: string): ReadonlyMap<string, RegisteredClient> => {
    const more = parseValue(clientsFile, parseYaml(content, file ?? ''), file ?? '').clients;
    const problems = findClientProblems([...entries, ...more], apiScopes);
    if (problems.length > 0) throw invalidConfig(file ?? '', problems);
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
    subject: subjectsOf(client)[0],
  };
}
