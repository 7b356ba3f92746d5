import { constants, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SecureContextOptions } from 'node:tls';
import { type Clock, systemClock } from '../../clock.ts';
import { assertPrivateFiles, readRequired } from '../../configuration/configured-files.ts';
import { clientCertificateOptions } from '../../configuration/client-certificate-schema.ts';
import { connectionLimitOptions } from '../../configuration/connection-schema.ts';
import { invalidConfig, OpenBankingError } from '../../errors.ts';
import type { GatewayConfig } from '../../configuration/gateway-config.ts';
import { alsoTo, type Log } from '../../events.ts';
import { reloadFiles } from '../file-reload.ts';
import { FollowedAuthorizer } from './followed-authorizer.ts';
import { LoopbackMetrics } from '../metrics/loopback-metrics.ts';
import { measuredRequests } from '../metrics/measured-requests.ts';
import { Metrics } from '../metrics/metrics.ts';
import { traceRefusal } from '../metrics/opened-metrics.ts';
import { openTracing } from '../tracing/opened-tracing.ts';
import { FollowedKeyPair } from '../followed-key-pair.ts';
import { ListenerCertificates } from '../own-certificate/listener-certificates.ts';
import { type GatewaySignatures, openSignatures } from './gateway-signatures.ts';
import { type HealthPart, HealthServer, readinessOf } from '../health.ts';
import { probeListener, probePlainListener } from '../listener-probe.ts';
import { createLog } from '../../log.ts';
import { type KeyPair, servedPems } from '../../mutual-tls/key-pair.ts';
import { createConnectionLimits } from '../../mutual-tls/limits/connection-limits.ts';
import { HANDSHAKE_TIMEOUT_SECONDS, requestLimits } from '../../mutual-tls/limits/request-limits.ts';
import { OpenConnections } from '../../mutual-tls/open-connections.ts';
import {
  type Authorizer,
  createAuthorizer,
  createGateway,
  createProtection,
  type Upstream,
} from '../../resource-server/index.ts';
import { openTrustFile } from '../../tpp/trust-files.ts';

/** A running gateway. */
interface RunningGateway {
  readonly port: number;
  /** Checks every followed file of this process now, and logs the outcome. */
  reload(): Promise<void>;
  /** Not ready, keep serving for a notice, let requests in flight end, close everything. */
  close(): Promise<void>;
}

/**
 * The composition root of `tallystick gateway`: opens the files of the configuration, builds every object, listens.
 *
 * @throws ERR_CONFIG_INVALID
 */
export async function startGateway(
  config: GatewayConfig,
  parts: { readonly source: string; readonly log?: Log },
): Promise<RunningGateway> {
  const given = parts.log ?? createLog({ level: config.logLevel });
  const { listen, shutdown } = config;
  const opened = await openGatewayParts(config, { source: parts.source, log: given });
  const { gateway, keyPair, metrics, log } = opened;
  await openTracing(log);
  const measured = measuredRequests(gateway, { listener: 'gateway', routeName: () => undefined }, metrics);
  const server = createGatewayServer(config, measured, keyPair);
  const connections = new OpenConnections(server);
  createConnectionLimits({ log, ...connectionLimitOptions(config) }).limit(server, 'gateway');
  const beside = new LoopbackMetrics(metrics);
  const health = new HealthServer(async () => readinessOf(await healthOf(server, keyPair)), beside.answer);
  if (listen.health !== undefined) await health.listen(listen.health);
  server.listen(listen.port, listen.host);
  await once(server, 'listening');
  health.started();
  log.emit('gateway.started', { issuer: config.issuer, count: config.routes.length });
  return {
    port: (server.address() as AddressInfo).port,
    reload: () => reloadFiles(log),
    close: async () => {
      health.stopping();
      connections.drain();
      await sleep(shutdown.noticeSeconds * 1000);
      await connections.close(shutdown.drainSeconds);
      await Promise.all([health.close(), opened.close()]);
      log.emit('gateway.stopped');
    },
  };
}

/** The parts of a gateway, without its listener. */
interface GatewayParts {
  readonly gateway: RequestListener;
  readonly keyPair: ListenerCertificates | undefined;
  readonly metrics: Metrics;
  /** The log of the parts, whose events are counted and traced. */
  readonly log: Log;
  close(): Promise<void>;
}

/**
 * Opens the files of the configuration and builds every object. Nothing listens, and no request is sent.
 *
 * @throws ERR_CONFIG_INVALID
 */
export async function openGatewayParts(
  config: GatewayConfig,
  { source, log: given }: { readonly source: string; readonly log: Log },
): Promise<GatewayParts> {
  const metrics = new Metrics();
  const log = alsoTo(alsoTo(given, metrics.sink), traceRefusal);
  const clock = systemClock;
  await assertPrivateFiles(config, source, log);
  const { authorizer, files, caPem } = await openAuthorizer(config, { clock, log, source, metrics });
  const signatures =
    config.signatures && (await openSignatures(config.signatures, { source, clock, log, caPem }));
  const upstream = await upstreamOf(config);
  const gateway = openGateway(config, { authorizer, log, source, signatures, upstream });
  const keyPair =
    config.tls && (await ListenerCertificates.open({ ...config.tls, place: 'tls', clock, log }));
  const close = async () => {
    await Promise.all([authorizer, keyPair, signatures, ...files].map((part) => part?.close()));
    metrics.close();
  };
  return { gateway, keyPair, metrics, log, close };
}

async function healthOf(server: Server, keyPair: ListenerCertificates | undefined): Promise<HealthPart[]> {
  const { address: host, port } = server.address() as AddressInfo;
  const probe = keyPair === undefined ? probePlainListener : probeListener;
  const listener = { name: 'gateway', problem: await probe({ host, port }) };
  if (keyPair === undefined) return [listener];
  return [listener, keyPair.health()];
}

function openGateway(
  config: GatewayConfig,
  parts: {
    readonly authorizer: Authorizer;
    readonly log: Log;
    readonly source: string;
    readonly signatures: GatewaySignatures | undefined;
    readonly upstream: Upstream | undefined;
  },
): RequestListener {
  const { authorizer, log, source, signatures, upstream } = parts;
  const clientCertificate = clientCertificateOptions(config.clientCertificate);
  const { proxy, pathPrefix } = config;
  const routes = config.routes.map(({ signatures: need, ...route }) => ({
    ...route,
    signatures: need && signatures?.of(need),
  }));
  const scopes = [...new Set(routes.flatMap((route) => route.scopes))];
  const resourceMetadata = config.resourceMetadata && { scopes, ...config.resourceMetadata };
  return configured(source, () => {
    const protection = createProtection({ authorizer, clientCertificate, log, resourceMetadata });
    return createGateway({ protection, proxy, routes, pathPrefix, upstream });
  });
}

/** The names of options in the messages of the package that are fields of the configuration too. */
const FIELDS = ['resourceMetadata', 'senderConstraints', 'dpop'];

/** @throws ERR_CONFIG_INVALID for options that the package cannot use together */
function configured<T>(source: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    const { message } = cause;
    const path = FIELDS.find((field) => message.startsWith(field)) ?? 'routes';
    throw invalidConfig(source, [{ path, message }], cause);
  }
}

async function upstreamOf({ upstream }: GatewayConfig): Promise<Upstream | undefined> {
  if (upstream === undefined) return undefined;
  const { caFile, ...rest } = upstream;
  return { ...rest, caPem: caFile && (await readRequired(caFile, 'upstream.caFile')) };
}

/** Behind the proxy only, so that no Host is pinned; a connection cannot change the certificate that it came with. */
function createGatewayServer(
  config: GatewayConfig,
  gateway: RequestListener,
  keyPair: ListenerCertificates | undefined,
): Server {
  const limits = requestLimits(config.connections.keepAliveSeconds);
  if (keyPair === undefined) return createServer(limits, gateway);
  const contextOf = (pair: KeyPair): SecureContextOptions => ({
    ...servedPems(pair),
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
  });
  const server = createTlsServer(
    {
      ...contextOf(keyPair.current),
      requestCert: config.clientCertificate.proxyCertificates !== undefined,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_SECONDS * 1000,
      ...limits,
    },
    gateway,
  );
  keyPair.follow((pair) => server.setSecureContext(contextOf(pair)));
  return server;
}

/** The decision point, made anew when the CA of the issuer or the gateway's own certificate changes. */
async function openAuthorizer(
  { issuer, audience, caFile, introspection, consents, senderConstraints, status, dpop }: GatewayConfig,
  {
    source,
    metrics,
    ...parts
  }: { readonly clock: Clock; readonly log: Log; readonly source: string; readonly metrics: Metrics },
) {
  const authority =
    caFile === undefined
      ? undefined
      : await openTrustFile({
          file: caFile,
          path: 'caFile',
          parse: parseForTls,
          onChange: () => authorizer.replace(),
          ...parts,
        });
  const own =
    introspection && (await FollowedKeyPair.open({ ...introspection, place: 'introspection', ...parts }));
  own?.follow(() => authorizer.replace());
  const asker = consents && (await FollowedKeyPair.open({ ...consents, place: 'consents', ...parts }));
  asker?.follow(() => authorizer.replace());
  const caPem = () => authority?.current.join('');
  const make = () =>
    createAuthorizer({
      issuer,
      audience,
      caPem: caPem(),
      introspection: introspection && own && { ...introspection, ...own.current },
      consents: consents && asker && { ...consents, ...asker.current },
      senderConstraints,
      status,
      dpop,
      onQuestion: ({ kind: question, outcome, seconds }) =>
        metrics.observe('tallystick_issuer_question_duration_seconds', { question, outcome }, seconds),
    });
  const authorizer = configured(source, () => new FollowedAuthorizer(make));
  return { authorizer, files: [authority, own, asker], caPem };
}

/** As the TLS library reads it, which alone uses these certificates. */
function parseForTls(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new OpenBankingError('ERR_CERT_MALFORMED', { problem: 'OpenSSL cannot read it' }, { cause });
  }
}
