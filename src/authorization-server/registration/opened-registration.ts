import type { Clock } from '../../clock.ts';
import type { Log } from '../../events.ts';
import type { Store } from '../../storage/store.ts';
import type { Clients } from '../clients/clients.ts';
import type { DeliveryMode } from '../clients/ciba-registration.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { Registration, type RegistrationOptions } from './registration.ts';
import type { RegistrationRules } from './client-registration.ts';
import { createStatementProfile, type StatementParts, type StatementSettings } from './statement-profiles.ts';

/** The registration of a configuration. */
export interface RegistrationSettings
  extends Pick<RegistrationOptions, 'approval' | 'quotas' | 'rotatesAccessTokens'>,
    Pick<RegistrationRules, 'redirectHosts' | 'allowsLoopbackRedirects'> {
  /** At least one. */
  readonly statements: readonly StatementSettings[];
}

/** The parts of the authorization server that registration uses. */
export interface RegistrationParts extends StatementParts {
  readonly clients: Clients;
  readonly store: Store;
  readonly secret: Buffer;
  readonly mtlsUrl: URL;
  readonly apiScopes: readonly string[];
  readonly profiles: Profiles;
  readonly acr: { readonly acrValues: readonly string[] };
  readonly ciba: { readonly rules: { readonly deliveryModes: readonly DeliveryMode[] } } | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** The registration endpoints; undefined where the configuration names no statement profile. */
export function openRegistration(
  settings: RegistrationSettings | undefined,
  parts: RegistrationParts,
): Registration | undefined {
  if (settings === undefined) return undefined;
  const { redirectHosts, allowsLoopbackRedirects, statements, approval, quotas, rotatesAccessTokens } =
    settings;
  const { clients, store, secret, mtlsUrl, apiScopes, profiles, acr, ciba, clock, log } = parts;
  return new Registration({
    clients,
    store,
    secret,
    statementProfiles: statements.map((one) => createStatementProfile(one, parts)),
    rules: {
      apiScopes,
      profiles,
      acrValues: acr.acrValues,
      deliveryModes: ciba?.rules.deliveryModes,
      redirectHosts,
      allowsLoopbackRedirects,
    },
    approval,
    quotas,
    rotatesAccessTokens,
    mtlsUrl,
    clock,
    log,
  });
}
