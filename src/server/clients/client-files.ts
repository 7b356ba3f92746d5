import type { DeliveryMode } from '../../authorization-server/clients/ciba-registration.ts';
import type { ClientFiles } from '../../authorization-server/clients/client-source.ts';
import type { RegisteredClient } from '../../authorization-server/clients/registered-client.ts';
import { type ClientEntry, registeredClient } from '../../authorization-server/clients/client-schema.ts';
import { STANDARD_SCOPES } from '../../consent/details/detail-types.ts';
import type { Log } from '../../events.ts';
import { keysMissingIn, type OpenList, openFollowedList } from '../../files/followed-list.ts';
import { FoundRecords } from '../../files/found-records.ts';
import { clientListReader } from './client-list.ts';

export interface ClientFilesOptions {
  /** Those of the configuration itself. */
  readonly entries: readonly ClientEntry[];
  /** Scopes that a client may have besides those of OpenID Connect. */
  readonly apiScopes: readonly string[];
  /** Names of the profiles that a client may have, the default first. */
  readonly profiles: readonly string[];
  /** Sender constraints that a client may have, the default first. */
  readonly senderConstraints: readonly string[];
  /** Authentication contexts of the bank. */
  readonly acrValues?: readonly string[];
  /** Types of authorization details, by the scope that each opens. */
  readonly detailScopes?: Readonly<Record<string, string>>;
  /** Ways of CIBA that a client may have. Absent: CIBA is off. */
  readonly deliveryModes?: readonly DeliveryMode[];
  /** Whether a client may authenticate by a self-signed certificate. Default: no. */
  readonly acceptsSelfSigned?: boolean;
  /** YAML or JSON with `clients`, read again when it changes. */
  readonly file?: string | undefined;
  readonly log: Log;
  readonly pollSeconds?: number;
  /** Default: this process reads the file. */
  readonly openList?: OpenList | undefined;
}

const POLL_SECONDS = 1;

/**
 * Opens the clients of the configuration and of its file. A changed file replaces its clients as a whole: a client that is no longer there
 * is refused at its next request. A bad file is logged, and the last good copy stays.
 *
 * @throws ERR_CONFIG_INVALID
 */
export async function openClientFiles(options: ClientFilesOptions): Promise<ClientFiles> {
  const { entries, apiScopes, profiles, senderConstraints, acrValues = [] } = options;
  const {
    deliveryModes = [],
    detailScopes = STANDARD_SCOPES,
    file,
    log,
    openList = openFollowedList,
  } = options;
  const own = new Map(entries.map((entry) => [entry.client_id, registeredClient(entry)]));
  const ownOfTpp = (number: string) =>
    [...own.values()].filter((client) => client.authorization_number === number);
  const takers = new Set<Parameters<ClientFiles['follow']>[0]>();
  if (file === undefined) {
    return {
      find: (clientId) => own.get(clientId),
      has: (clientId) => own.has(clientId),
      listOfTpp: (number, limit) => ownOfTpp(number).slice(0, limit),
      follow: () => undefined,
      close: async () => {},
    };
  }
  const followed = await openList({
    reader: clientListReader,
    source: {
      file,
      facts: {
        configuredIds: [...own.keys()],
        apiScopes,
        profiles,
        senderConstraints,
        acrValues,
        deliveryModes,
        selfSigned: options.acceptsSelfSigned === true ? ['accepted'] : [],
        // Neither has a space.
        detailScopes: Object.entries(detailScopes).map((pair) => pair.join(' ')),
      },
    },
    name: 'clients',
    log,
    pollSeconds: options.pollSeconds ?? POLL_SECONDS,
    onChange: async (next) => {
      const last = inUse.current;
      const [added, removed] = await Promise.all([keysMissingIn(last, next), keysMissingIn(next, last)]);
      inUse.current = next;
      for (const take of takers) take({ added, removed });
    },
  });
  /** The copy whose differences from the last one are known. */
  const inUse = { current: followed.current };
  // `clientListReader` added them.
  const found = new FoundRecords(inUse, (packed) => Object.freeze(packed as RegisteredClient));
  return {
    find: (clientId) => own.get(clientId) ?? found.find(clientId)[0],
    has: (clientId) => own.has(clientId) || inUse.current.has(clientId),
    listOfTpp: (number, limit) => {
      const found = inUse.current.findByMember('authorization_number', number, limit);
      return [...ownOfTpp(number), ...(found as RegisteredClient[])].slice(0, limit);
    },
    follow: (take) => void takers.add(take),
    close: () => followed.close(),
  };
}
