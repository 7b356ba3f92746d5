import type { Middleware } from 'koa';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { hexPrefix, type Log } from '../../events.ts';
import type { ClientCertificateSource } from '../../mutual-tls/client-certificate.ts';
import type { Tpp, TppAuthenticator } from '../../tpp/authenticate.ts';
import { scopesAllowed } from '../../tpp/authorisation-status.ts';
import { formatName } from '../../x509/certificate/distinguished-name.ts';
import type { Clients } from '../clients/clients.ts';
import type { SelfSignedClients } from '../clients/self-signed/self-signed-clients.ts';
import { type ClientUse, clientsOfTpp, type ListedClient, useOf } from '../clients/tpp-clients.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { hasEndpoints, type RegistrationSettings } from '../registration/opened-registration.ts';
import { namesInRegister } from '../registration/statement-profile.ts';
import { CheckLimits } from './check-limits.ts';
import { decisionAnswer } from './decision-answer.ts';

export interface SelfCheckOptions {
  readonly hasSelfCheck: boolean;
  readonly authenticator: Pick<TppAuthenticator, 'evaluate'>;
  /** Undefined: self-signed certificates are refused. */
  readonly selfSigned: Pick<SelfSignedClients, 'isMeant' | 'evaluate'> | undefined;
  readonly clientCertificate: ClientCertificateSource;
  readonly clients: Pick<Clients, 'namedOfTpp' | 'findNamed' | 'page'>;
  readonly registration: RegistrationSettings;
  readonly apiScopes: readonly string[];
  /** Those that clients may have, the default first. */
  readonly profiles: Profiles;
  readonly clock: Clock;
  readonly log: Log;
}

/** As many clients as an answer names, of the files and of the store each. */
const MAX_CLIENTS = 100;

/**
 * `GET /tpp/self-check`: what this server makes of the certificate of the connection, which may be one that it refuses. In
 * place of the TPP gate.
 *
 * @throws ERR_HTTP_NOT_FOUND where it is off, ERR_CERT_MISSING, ERR_SELF_CHECK_LIMIT, ERR_STORAGE_UNAVAILABLE
 */
export function selfCheck(options: SelfCheckOptions): Middleware {
  const { hasSelfCheck, authenticator, selfSigned, clientCertificate, clock, log } = options;
  const limits = new CheckLimits();
  return async (ctx) => {
    if (!hasSelfCheck) throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path });
    const { certificate, intermediates } = clientCertificate.read(ctx.req);
    if (certificate === undefined) throw new OpenBankingError('ERR_CERT_MISSING', {});
    const { der, thumbprint } = certificate;
    ctx.state.certificate = certificate;
    await limits.count(thumbprint);
    const evaluation =
      selfSigned?.isMeant(certificate) === true
        ? await selfSigned.evaluate(
            certificate,
            new URLSearchParams(ctx.querystring).get('client_id') ?? undefined,
          )
        : await authenticator.evaluate({ der, thumbprint, intermediates });
    const accepted = 'tpp' in evaluation ? await acceptedAnswer(evaluation.tpp, options) : undefined;
    ctx.set('cache-control', 'no-store');
    ctx.set('pragma', 'no-cache');
    ctx.body = { ...decisionAnswer(evaluation, clock.now()), ...accepted };
    log.emit('tpp.self_checked', {
      requestId: String(ctx.state.requestId),
      certificate: hexPrefix(thumbprint),
      ...('tpp' in evaluation
        ? { authorizationNumber: evaluation.tpp.authorizationNumber, outcome: 'accepted' }
        : { outcome: evaluation.refusal.code }),
    });
  };
}

/** The members of the answer for an accepted certificate. */
async function acceptedAnswer(tpp: Tpp, { clients, apiScopes, profiles, registration }: SelfCheckOptions) {
  const { authorizationNumber, nca, country, legalName, tradingName, roles, onlyClient } = tpp;
  const ofTpp = await clientsOfTpp(clients, { authorizationNumber, nca: nca.id }, MAX_CLIENTS);
  const listed = ofTpp.filter(({ client }) => onlyClient === undefined || client.client_id === onlyClient);
  const scopes = scopesAllowed(roles, apiScopes);
  return {
    tpp: { authorizationNumber, legalName, tradingName, nca, country, roles: [...roles] },
    scopes,
    clients: clientsByUse(listed, tpp),
    registration:
      onlyClient !== undefined ? undefined : registrationAnswer(tpp, { registration, profiles, scopes }),
  };
}

/** Identifiers of the clients, by whether they can be used with this certificate. */
function clientsByUse(listed: readonly ListedClient[], tpp: Tpp) {
  const idsOf = (use: ClientUse) =>
    listed.filter((one) => useOf(one, tpp) === use).map(({ client }) => client.client_id);
  return {
    usable: idsOf('usable'),
    ofAnotherSubject: idsOf('ofAnotherSubject'),
    notActive: idsOf('notActive'),
  };
}

/** The result of a registration with this certificate; undefined where a TPP cannot register. */
function registrationAnswer(
  tpp: Tpp,
  facts: Pick<SelfCheckOptions, 'registration' | 'profiles'> & { readonly scopes: readonly string[] },
) {
  const { registration, profiles, scopes } = facts;
  const { statements, approval, redirectHosts } = registration;
  if (!hasEndpoints(registration)) return undefined;
  return {
    statementProfiles: statements.map(({ profile }) => profile),
    approval,
    clientNames: namesInRegister(tpp),
    scope: ['openid', ...scopes].join(' '),
    profiles: profiles.map(({ name }) => name),
    redirectHosts,
    tls_client_auth_subject_dn: formatName(tpp.certificate.parsed.subject),
  };
}
