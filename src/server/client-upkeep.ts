import { Clients } from '../authorization-server/clients/clients.ts';
import type { ClientFiles } from '../authorization-server/clients/client-source.ts';
import type { ClientRules } from '../authorization-server/clients/client-schema.ts';
import { ClientGrants } from '../authorization-server/models/client-grants.ts';
import { GrantRevocation } from '../authorization-server/models/grant-revocation.ts';
import { acceptsSelfSigned } from '../authorization-server/profiles/profiles.ts';
import { RevokedGrants, statusIdHash } from '../authorization-server/token-status/revoked-grants.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../configuration/config.ts';
import { detailScopesOf } from '../configuration/consents/detail-type-schema.ts';
import { allowedConstraints, allowedProfiles, clientProfiles } from '../configuration/profile-schema.ts';
import { allowedDeliveryModes } from '../configuration/protocols/ciba-schema.ts';
import { ConsentRecords } from '../consent/consent-records.ts';
import { Consents } from '../consent/consents.ts';
import type { Log } from '../events.ts';
import { endWithConsents } from './clients/client-ends.ts';
import { openClientFiles } from './clients/client-files.ts';
import { openSecret } from './opened-secret.ts';
import { openStore } from './opened-store.ts';

/** The clients of a configuration, for a command that serves nothing. */
export interface ClientUpkeep {
  /** Those of the store. A change counts in running servers within a second. */
  readonly clients: Clients;
  /** Those of the files, which win. */
  readonly files: Pick<ClientFiles, 'find' | 'has' | 'listOfTpp'>;
  /** Rules of the configuration for every client. */
  readonly rules: ClientRules;
  /** Every consent; ending one ends its grant and tokens too. */
  readonly consents: Pick<Consents, 'endGrantsOf' | 'find' | 'revoke'>;
  /** Ends a client with every grant, token and consent. @throws ERR_CLIENT_REGISTRATION */
  end(clientId: string): Promise<void>;
  close(): Promise<void>;
}

/** A command is no process that names the clients of its files anew: that would lift the ends that servers have shared. */
const NO_FILES: ClientFiles = Object.freeze({
  find: () => undefined,
  has: () => false,
  listOfTpp: () => [],
  follow: () => undefined,
  close: async () => {},
});

/** @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE */
export async function openClientUpkeep(
  config: Config,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<ClientUpkeep> {
  const { apiScopes, acrValues, clients: entries, clientsFile: file } = config;
  const profiles = allowedProfiles(config.profiles);
  const senderConstraints = allowedConstraints(config.senderConstraints);
  const deliveryModes = allowedDeliveryModes(config.ciba);
  const detailScopes = detailScopesOf(config);
  const named = clientProfiles(config);
  const ofFiles = { entries, apiScopes, profiles, senderConstraints, acrValues, deliveryModes, detailScopes };
  const secret = await openSecret(config.storage.secretFile);
  const files = await openClientFiles({ ...ofFiles, acceptsSelfSigned: acceptsSelfSigned(named), file, log });
  const store = await openStore(config.storage, { clock, log });
  const common = { store, clock, secret, log };
  const grantSeconds = config.consent.lifetimeSeconds + config.accessToken.lifetimeSeconds;
  const clients = await Clients.open({
    ...common,
    files: NO_FILES,
    profiles: named,
    deliveryModes,
    grantSeconds,
  });
  const tokenStatus = new RevokedGrants({ store, clock, hashId: statusIdHash(secret) });
  const grants = new GrantRevocation({ store, clock, secret, tokenStatus });
  const endGrant = (grantId: string) => grants.revoke(grantId, 'ended');
  const consents = new Consents(new ConsentRecords(common), { endGrant });
  return {
    clients,
    files,
    rules: { apiScopes, acrValues, profiles: named, deliveryModes, detailScopes },
    consents,
    end: async (clientId) => {
      const clientGrants = new ClientGrants({ ...common, grants });
      clients.endWith((id) => clientGrants.end(id));
      await endWithConsents(clients, consents, log);
      await clients.end(clientId);
    },
    close: async () => {
      await Promise.all([files.close(), store.close()]);
    },
  };
}
