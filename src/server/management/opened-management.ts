import type { AuditGate } from '../../audit/audit-gate.ts';
import type { Clients } from '../../authorization-server/clients/clients.ts';
import { profilesNamed } from '../../authorization-server/profiles/profiles.ts';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { detailScopesOf } from '../../configuration/consents/detail-type-schema.ts';
import { allowedConstraints, allowedProfiles } from '../../configuration/profile-schema.ts';
import { allowedDeliveryModes } from '../../configuration/protocols/ciba-schema.ts';
import type { Log } from '../../events.ts';
import type { ManagementEndpoint } from '../../management/managed-request.ts';
import { ManagementApi } from '../../management/management-api.ts';
import { Management } from '../../management/management.ts';
import { managementOperations } from '../../management/operations/operations.ts';
import { LocalTickets } from '../../management/operators/local-tickets.ts';
import type { Store } from '../../storage/store.ts';

interface ManagementServerParts {
  readonly opened: { readonly clients: Clients; readonly store: Store; readonly secret: Buffer };
  readonly audit: AuditGate | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Builds the management API of a process that serves. */
export function openManagement(config: Config, parts: ManagementServerParts): ManagementEndpoint {
  const { audit, clock, log } = parts;
  const { clients, store, secret } = parts.opened;
  const { apiScopes, acrValues } = config;
  const profiles = profilesNamed(
    allowedProfiles(config.profiles),
    allowedConstraints(config.senderConstraints),
  );
  const deliveryModes = allowedDeliveryModes(config.ciba);
  const rules = { apiScopes, acrValues, profiles, deliveryModes, detailScopes: detailScopesOf(config) };
  const operations = managementOperations({ clients, rules });
  const management = new Management({ operations, store, secret, audit, clock, log });
  return new ManagementApi({ management, tickets: new LocalTickets({ secret, clock }) }).endpoint;
}
