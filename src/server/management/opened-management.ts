import type { AuditGate } from '../../audit/audit-gate.ts';
import { AuditSearch } from '../../audit/reading/audit-search.ts';
import type { Clients } from '../../authorization-server/clients/clients.ts';
import type { KeyPlace } from '../../authorization-server/signing/keyring.ts';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { detailScopesOf } from '../../configuration/consents/detail-type-schema.ts';
import { clientProfiles } from '../../configuration/profile-schema.ts';
import { allowedDeliveryModes } from '../../configuration/protocols/ciba-schema.ts';
import type { ConsentUses } from '../../consent/consent-uses.ts';
import type { Consents } from '../../consent/consents.ts';
import type { Log } from '../../events.ts';
import type { ManagementEndpoint } from '../../management/managed-request.ts';
import { ManagementApi } from '../../management/management-api.ts';
import { Management } from '../../management/management.ts';
import { managementOperations, type ManagementParts } from '../../management/operations/operations.ts';
import type { Activity } from '../../management/activity/activity.ts';
import { ConsolePages } from '../../management/console/console-pages.ts';
import { Entrance } from '../../management/console/entrance.ts';
import { LocalTickets } from '../../management/operators/local-tickets.ts';
import { OperatorSessions } from '../../management/operators/operator-sessions.ts';
import type { Store } from '../../storage/store.ts';
import type { StoredBlocks } from '../../tpp/block-list/stored-blocks.ts';
import type { SeenCertificates } from '../../tpp/seen-certificates.ts';
import { openAuditSource } from '../audit/opened-audit.ts';
import { openLogin } from './opened-login.ts';

interface ManagementServerParts {
  readonly opened: {
    readonly clients: Clients;
    readonly store: Store;
    readonly secret: Buffer;
    readonly signer: KeyPlace;
    readonly seen: SeenCertificates;
    readonly blocks: StoredBlocks;
    readonly decision: Pick<
      ManagementParts,
      'registry' | 'authorisationStatus' | 'authenticator' | 'trust' | 'revocation' | 'fileBlocks'
    >;
  };
  readonly consents: Consents;
  readonly consentUses: ConsentUses;
  readonly activity: Activity;
  readonly health: ManagementParts['health'];
  readonly ownCertificates: ManagementParts['ownCertificates'];
  readonly audit: AuditGate | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** The management API of a process that serves. */
export interface OpenedManagement {
  readonly endpoint: ManagementEndpoint;
  close(): Promise<void>;
}

/** Builds the management API of a process that serves. @throws ERR_CONFIG_INVALID */
export async function openManagement(
  config: Config,
  parts: ManagementServerParts,
): Promise<OpenedManagement> {
  const { audit, clock, log } = parts;
  const { clients, store, secret, signer, seen, blocks, decision } = parts.opened;
  const { apiScopes, acrValues } = config;
  const profiles = clientProfiles(config);
  const deliveryModes = allowedDeliveryModes(config.ciba);
  const rules = { apiScopes, acrValues, profiles, deliveryModes, detailScopes: detailScopesOf(config) };
  const { consents, consentUses } = parts;
  const source = config.audit && (await openAuditSource(config.audit, log));
  const login = await openLogin(config, { store, secret, clock });
  const operations = managementOperations({
    ...decision,
    ...{ clients, rules, consents, consentUses, seen, blocks, clock },
    ...{
      activity: parts.activity,
      registers: parts.activity.registers,
      health: parts.health,
      ownCertificates: parts.ownCertificates,
    },
    keys: signer,
    auditSearch: source && new AuditSearch(source),
  });
  const management = new Management({ operations, store, secret, audit, clock, log });
  const tickets = new LocalTickets({ secret, clock });
  const sessions = new OperatorSessions({ store, secret, clock });
  const pages = new ConsolePages({ management }).middleware;
  const entrance = new Entrance({ management, sessions, tickets, store, log, pages, login: login?.login });
  const { endpoint } = new ManagementApi({ management, tickets, console: entrance.middleware });
  return {
    endpoint,
    close: async () => {
      await Promise.all([source?.close(), login?.close()]);
    },
  };
}
