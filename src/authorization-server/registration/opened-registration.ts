import type { Middleware } from 'koa';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../events.ts';
import type { Store } from '../../storage/store.ts';
import type { Clients } from '../clients/clients.ts';
import type { DeliveryMode } from '../clients/ciba-registration.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { FirstSight } from './first-sight.ts';
import { at, ENDPOINTS, REGISTRATION_ROUTE } from '../request/routes.ts';
import { Registration, type RegistrationOptions } from './registration.ts';
import type { RegistrationRules } from './client-registration.ts';
import { createStatementProfile, type StatementParts, type StatementSettings } from './statement-profiles.ts';

/** The registration of a configuration. */
export interface RegistrationSettings
  extends Pick<RegistrationOptions, 'approval' | 'quotas' | 'rotatesAccessTokens'>,
    Pick<RegistrationRules, 'redirectHosts' | 'allowsLoopbackRedirects'> {
  /** None: there are no registration endpoints. */
  readonly statements: readonly StatementSettings[];
  /** Hosts of the redirect URIs of clients that are made on first sight. Absent: none is made. */
  readonly onFirstSight: RegistrationRules['redirectHosts'] | undefined;
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
  readonly registration: RegistrationSettings;
  readonly clock: Clock;
  readonly log: Log;
}

/** How TPPs become clients by themselves: each is undefined where the configuration does not open it. */
export interface OpenedRegistration {
  readonly endpoints: Registration | undefined;
  readonly firstSight: FirstSight | undefined;
}

export function openRegistration(parts: RegistrationParts): OpenedRegistration {
  const { redirectHosts, allowsLoopbackRedirects, statements, onFirstSight, ...settings } =
    parts.registration;
  const { clients, store, secret, mtlsUrl, apiScopes, profiles, acr, ciba, clock, log } = parts;
  const deliveryModes = ciba?.rules.deliveryModes;
  const rules = { apiScopes, profiles, acrValues: acr.acrValues, deliveryModes, allowsLoopbackRedirects };
  const statementProfiles = statements.map((one) => createStatementProfile(one, parts));
  const common = { clients, store, secret, mtlsUrl, clock, log, ...settings };
  return {
    endpoints: hasEndpoints(parts.registration)
      ? new Registration({ ...common, statementProfiles, rules: { ...rules, redirectHosts } })
      : undefined,
    firstSight:
      onFirstSight === undefined
        ? undefined
        : new FirstSight({
            clients,
            approval: settings.approval,
            rules: { ...rules, redirectHosts: onFirstSight },
            log,
          }),
  };
}

/** Whether there are registration endpoints, which discovery then has. */
export function hasEndpoints({ statements }: Pick<RegistrationSettings, 'statements'>): boolean {
  return statements.length > 0;
}

/** The steps in front of client authentication. */
export function registrationSteps({ endpoints, firstSight }: OpenedRegistration): readonly Middleware[] {
  return [
    ...(endpoints === undefined ? [] : [at(REGISTRATION_ROUTE, endpoints.serve)]),
    ...(firstSight === undefined
      ? []
      : [
          at(ENDPOINTS.token, firstSight.serve),
          at(ENDPOINTS.pushed_authorization_request, firstSight.serve),
        ]),
  ];
}
