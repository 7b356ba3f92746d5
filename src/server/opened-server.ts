import {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  createAuthorizationServer,
} from '../authorization-server/authorization-server.ts';
import { routeName } from '../authorization-server/request/routes.ts';
import { RequestRates } from '../authorization-server/request/request-rates.ts';
import { Clients } from '../authorization-server/clients/clients.ts';
import { KeysByAddress } from '../authorization-server/clients/keys-by-address.ts';
import { clientKeysOptions } from '../configuration/registration/client-keys-schema.ts';
import { RevokedCertificates } from '../authorization-server/token-status/revoked-certificates.ts';
import { acceptsSelfSigned } from '../authorization-server/profiles/profiles.ts';
import { registrationOptions } from '../configuration/registration/registration-schema.ts';
import { allowedDeliveryModes, cibaOptions } from '../configuration/protocols/ciba-schema.ts';
import { scaOptions } from '../configuration/consents/sca-schema.ts';
import { grantManagementOptions } from '../configuration/consents/grant-management-schema.ts';
import { detailScopesOf, openDetailTypes } from '../configuration/consents/detail-type-schema.ts';
import { assertPrivateFiles } from '../configuration/configured-files.ts';
import { clientCertificateOptions } from '../configuration/client-certificate-schema.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Config } from '../configuration/config.ts';
import { ConsentRecords } from '../consent/consent-records.ts';
import { ConsentUses } from '../consent/consent-uses.ts';
import { Consents } from '../consent/consents.ts';
import { reportClientChain } from './client-chain-check.ts';
import type { Log } from '../events.ts';
import { createClientCertificateSource } from '../mutual-tls/client-certificate.ts';
import { createConnectionLimits } from '../mutual-tls/limits/connection-limits.ts';
import { allowedConstraints, allowedProfiles, clientProfiles } from '../configuration/profile-schema.ts';
import { connectionLimitOptions } from '../configuration/connection-schema.ts';
import { requestRateOptions } from '../configuration/request-limits-schema.ts';
import { reloadFiles } from './file-reload.ts';
import { openPublicListeners } from './public-listeners.ts';
import { aspspOf } from './bank/opened-aspsp.ts';
import { openManagement } from './management/opened-management.ts';
import { openBankApi } from './bank/opened-bank-api.ts';
import { openResourceServers } from './followed-resource-servers.ts';
import { endWithConsents } from './clients/client-ends.ts';
import { openClientFiles } from './clients/client-files.ts';
import { openKeyring, startRotations } from './keys/opened-keyring.ts';
import { measuredRequests } from './metrics/measured-requests.ts';
import { measuredStore } from './metrics/measured-store.ts';
import type { Metrics } from './metrics/metrics.ts';
import { followServer } from './metrics/server-gauges.ts';
import { openSecret } from './opened-secret.ts';
import { byPlace, ListenerCertificates } from './own-certificate/listener-certificates.ts';
import { openStore } from './opened-store.ts';
import { failingFast } from '../storage/request-scope.ts';
import { StoredBlocks } from '../tpp/block-list/stored-blocks.ts';
import { SeenCertificates } from '../tpp/seen-certificates.ts';
import { changeSettings } from './reload/live-settings.ts';
import type { OpenedServer, ServerParts } from './running-server.ts';
import type { Audit } from '../audit/audit.ts';
import type { OpenedLog } from './log/opened-log.ts';
import { openTppDecision } from './tpp-decision.ts';

/**
 * The composition root: opens the files of the configuration, builds every object. The audit record of `opened` is closed
 * with the server.
 *
 * @throws ERR_CONFIG_INVALID, ERR_REGISTRY_INVALID, ERR_STORAGE_UNAVAILABLE
 */
export async function openServer(
  config: Config,
  parts: Omit<ServerParts, 'log'>,
  { metrics, logLevel, audit, activity, log }: OpenedLog,
): Promise<OpenedServer> {
  const aspsp = aspspOf(config, parts.aspsp);
  const clock = parts.clock ?? systemClock;
  await assertPrivateFiles(config, 'configuration', log);
  const opened = await openParts(config, parts, { audit, clock, log, metrics });
  const { decision, clients, store, clientCertificate, tls } = opened;
  audit?.start({ log, store });
  activity.start({ log, store, registry: decision.registry });
  const consents = new ConsentRecords({ store, clock, secret: opened.secret, log });
  const consentUses = new ConsentUses({ store, clock, log, consentSeconds: config.consent.lifetimeSeconds });
  const ofCustomers = { aspsp, consents, consentUses };
  const endpoints = createEndpoints(config, opened, { ...ofCustomers, audit, clock, log });
  const requestClientCertificate = clientCertificate.isTlsCertificateNeeded;
  const connections = createConnectionLimits({ log, ...connectionLimitOptions(config) });
  const measured = (listener: 'front' | 'mtls') =>
    measuredRequests(endpoints.handlers[listener], { listener, routeName }, metrics);
  const handlers = { front: measured('front'), mtls: measured('mtls') };
  const ofListeners = { tls, connections, requestClientCertificate, handlers, clock, log };
  const publicListeners = openPublicListeners(config, ofListeners);
  const { front, mtls, admission } = publicListeners;
  if (requestClientCertificate) await reportClientChain(log);
  const bankConsents = new Consents(consents, endpoints);
  await endWithConsents(clients, bankConsents, log);
  const common = { opened, consents: bankConsents, consentUses, audit, clock, log };
  const bankApi = await openBankApi(config, { ...common, endpoints, connections, metrics });
  const listeners = [front, mtls, ...(bankApi === undefined ? [] : [bankApi.listener])];
  const certificates = byPlace([tls, bankApi?.tls]);
  followServer(metrics, { ...opened, connections, certificates, clock });
  const health = async () => [
    tls.health(),
    // Without signatures the server still revokes, and answers about what it issued.
    { name: 'signing keys', notice: opened.signer.problem },
    { name: 'store', problem: (await store.isHealthy()) ? undefined : 'does not read and write' },
  ];
  const ofManagement = { ...common, activity, health, ownCertificates: certificates };
  const management = await openManagement(config, ofManagement);
  return {
    running: {
      issuer: config.issuer,
      mtlsUrl: config.mtlsUrl.replace(/\/$/, ''),
      consents: bankConsents,
      approvals: endpoints.approvals,
      confirmations: endpoints.confirmations,
      registry: decision.registry,
      blockList: decision.blockList,
      clients,
      authenticator: decision.authenticator,
      isReady: async () => tls.secondsLeft > 0 && (await store.isHealthy()),
    },
    front,
    mtls,
    bank: bankApi?.listener,
    metrics,
    manage: management.endpoint,
    reload: () => reloadFiles(log),
    change: (settings) => changeSettings(settings, { ...opened, config, logLevel, connections, admission }),
    started: () => log.emit('server.started', { issuer: config.issuer, count: config.clients.length }),
    health,
    drain: () => {
      for (const listener of listeners) listener.drain();
    },
    stop: async () => {
      const { drainSeconds } = config.shutdown;
      await publicListeners.close(drainSeconds);
      await Promise.all([bankApi?.stop(drainSeconds), management.close()]);
      await endpoints.close();
      await opened.keysByAddress.close();
      await Promise.all([opened.seen.close(), opened.blocks.close(), consentUses.close(), activity.close()]);
      const files = [decision, clients, opened.rotations, opened.signer, opened.resourceServers, tls];
      await Promise.all(files.map((part) => part.close()));
      log.emit('server.stopped');
      await audit?.close();
      await store.close();
    },
  };
}

/** Opens everything that is read from the files and stores that the configuration names. */
async function openParts(
  config: Config,
  parts: Pick<ServerParts, 'openList' | 'store'>,
  {
    audit,
    clock,
    log,
    metrics,
  }: {
    readonly audit: Audit | undefined;
    readonly clock: Clock;
    readonly log: Log;
    readonly metrics: Metrics;
  },
) {
  const [tls, secret, signer] = await Promise.all([
    ListenerCertificates.open({ ...config.tls, place: 'tls', clock, log }),
    openSecret(config.storage.secretFile),
    openKeyring(config, { clock, log }),
  ]);
  const { openList } = parts;
  const { clients: entries, clientsFile, apiScopes, acrValues } = config;
  const profiles = allowedProfiles(config.profiles);
  const deliveryModes = allowedDeliveryModes(config.ciba);
  const senderConstraints = allowedConstraints(config.senderConstraints);
  let seen: SeenCertificates | undefined;
  const blocks = new StoredBlocks({ clock, log });
  const [decision, files] = await Promise.all([
    openTppDecision(config, {
      clock,
      log,
      openList,
      blocks,
      audit,
      onAccepted: (credential, { legalName }) => seen?.note(credential, legalName),
    }),
    openClientFiles({
      ...{ entries, apiScopes, profiles, senderConstraints, acrValues, deliveryModes },
      detailScopes: detailScopesOf(config),
      acceptsSelfSigned: acceptsSelfSigned(clientProfiles(config)),
      file: clientsFile,
      log,
      openList,
    }),
  ]);
  const resourceServers = await openResourceServers(config.resourceServers, log);
  const opened = parts.store ?? (await openStore(config.storage, { clock, log }));
  const store = failingFast(measuredStore(opened, metrics));
  seen = new SeenCertificates({ store, clock, log });
  await blocks.follow(store);
  const grantSeconds = config.consent.lifetimeSeconds + config.accessToken.lifetimeSeconds;
  const clients = await Clients.open({
    files,
    store,
    secret,
    profiles: clientProfiles(config),
    deliveryModes,
    grantSeconds,
    clock,
    log,
  });
  const clientCertificate = createClientCertificateSource(clientCertificateOptions(config.clientCertificate));
  const keysByAddress = new KeysByAddress({
    ...clientKeysOptions(config.clientKeys, config.outbound),
    clock,
    log,
  });
  return {
    tls,
    secret,
    keysByAddress,
    signer,
    rotations: startRotations(config, { keys: signer, store, clock, log }),
    decision,
    clients,
    resourceServers,
    store,
    seen,
    blocks,
    clientCertificate,
    requestRates: new RequestRates(requestRateOptions(config), clientCertificate),
    clientLimits: { ...config.clientLimits },
  };
}

function createEndpoints(
  config: Config,
  opened: Awaited<ReturnType<typeof openParts>>,
  parts: Pick<AuthorizationServerOptions, 'aspsp' | 'audit' | 'consents' | 'consentUses' | 'clock' | 'log'>,
): AuthorizationServer {
  const { store, signer, secret, clients, resourceServers, clientCertificate, keysByAddress } = opened;
  const { requestRates, clientLimits } = opened;
  const { authorisationStatus, revocation, authenticator } = opened.decision;
  const { aspsp, audit, consents, consentUses, clock, log } = parts;
  const revokedCertificates = new RevokedCertificates({
    store,
    clock,
    log,
    onLearned: (one) => revocation.askAgain(one),
  });
  revocation.onRevoked((found) => revokedCertificates.report(found));
  return createAuthorizationServer({
    issuer: config.issuer,
    mtlsUrl: new URL(config.mtlsUrl),
    clients,
    resource: config.resource,
    apiScopes: config.apiScopes,
    detailTypes: openDetailTypes(config),
    profiles: clientProfiles(config),
    accessTokenFormat: config.accessToken.format,
    accessTokenSeconds: config.accessToken.lifetimeSeconds,
    consentSeconds: config.consent.lifetimeSeconds,
    allowsPaymentsByScope: config.consent.paymentsByScope === 'allow',
    rotatesRefreshTokens: config.refreshToken.rotation,
    certificatesDemanded: config.certificatesDemanded,
    requiresDpopNonce: config.dpop.nonce === 'required',
    ciba: cibaOptions(config.ciba, config.outbound),
    grantManagement: grantManagementOptions(config.grantManagement),
    registration: registrationOptions(config.registration),
    hasSelfCheck: config.selfCheck.enabled,
    hasDashboard: config.dashboard.enabled,
    keysByAddress,
    signer,
    decrypter: signer.encryption,
    secret,
    store,
    clientLimits,
    requestRates,
    consents,
    consentUses,
    authorisationStatus,
    authenticator,
    clientCertificate,
    resourceServers: resourceServers.all,
    isRevoked: (certificate) => revocation.isKnownRevoked(certificate),
    revokedCertificates,
    audit,
    aspsp,
    pages: config.pages,
    aspspCallSeconds: config.aspspCallSeconds,
    sca: scaOptions(config.sca),
    bankApp: config.bankApp,
    acr: { acrValues: config.acrValues, defaultAcr: config.defaultAcr },
    customerClaims: config.customerClaims,
    clock,
    log,
  });
}
