import { constants } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { clientCertificateOptions } from '../configuration/client-certificate-schema.ts';
import { connectionLimitOptions } from '../configuration/connection-schema.ts';
import { invalidConfig } from '../errors.ts';
import type { GatewayConfig } from '../configuration/gateway-config.ts';
import { readRequired } from '../configuration/configured-files.ts';
import type { Log } from '../events.ts';
import { reloadFiles } from './file-reload.ts';
import { createLog } from '../log.ts';
import { createConnectionLimits } from '../mutual-tls/limits/connection-limits.ts';
import { HANDSHAKE_TIMEOUT_SECONDS, requestLimits } from '../mutual-tls/limits/request-limits.ts';
import {
  type Authorizer,
  createAuthorizer,
  createGateway,
  createProtection,
} from '../resource-server/index.ts';

/**
 * The composition root of `tallystick gateway`: opens the files of the configuration, builds every object, listens.
 *
 * @throws ERR_CONFIG_INVALID
 */
export async function startGateway(
  config: GatewayConfig,
  parts: { readonly source: string; readonly log?: Log },
): Promise<{ readonly port: number; reload(): Promise<void>; close(): Promise<void> }> {
  const log = parts.log ?? createLog({ level: config.logLevel });
  const authorizer = await openAuthorizer(config, parts.source);
  const gateway = openGateway(config, { authorizer, log, source: parts.source });
  const server = await openServer(config, gateway, parts.source);
  createConnectionLimits({ log, ...connectionLimitOptions(config) }).limit(server, 'gateway');
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.listen.port, config.listen.host, resolve);
  });
  log.emit('gateway.started', { issuer: config.issuer, count: config.routes.length });
  return {
    port: (server.address() as AddressInfo).port,
    reload: () => reloadFiles(log),
    close: async () => {
      server.closeIdleConnections();
      await new Promise((resolve) => server.close(resolve));
      await authorizer.close();
      log.emit('gateway.stopped');
    },
  };
}

function openGateway(
  config: GatewayConfig,
  parts: { readonly authorizer: Authorizer; readonly log: Log; readonly source: string },
): RequestListener {
  const { authorizer, log, source } = parts;
  const clientCertificate = clientCertificateOptions(config.clientCertificate);
  const { proxy, routes, pathPrefix } = config;
  try {
    const protection = createProtection({ authorizer, clientCertificate, log });
    return createGateway({ protection, proxy, routes, pathPrefix });
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    const problems = [{ path: 'routes', message: cause.message }];
    throw invalidConfig(source, problems, cause);
  }
}

/** Behind the proxy only, so that no Host is pinned; a connection cannot change the certificate that it came with. */
async function openServer(config: GatewayConfig, gateway: RequestListener, source: string): Promise<Server> {
  const limits = requestLimits(config.connections.keepAliveSeconds);
  if (config.tls === undefined) return createServer(limits, gateway);
  const [cert, key] = await Promise.all([
    readRequired(config.tls.certificateFile, 'tls.certificateFile', source),
    readRequired(config.tls.privateKeyFile, 'tls.privateKeyFile', source),
  ]);
  return createTlsServer(
    {
      cert,
      key,
      minVersion: 'TLSv1.2',
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
      requestCert: config.clientCertificate.proxyCertificates !== undefined,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_SECONDS * 1000,
      ...limits,
    },
    gateway,
  );
}

async function openAuthorizer(config: GatewayConfig, source: string): Promise<Authorizer> {
  const { issuer, audience, caFile, introspection } = config;
  const read = (path: string, name: string) => readRequired(path, name, source);
  const caPem = caFile === undefined ? undefined : await read(caFile, 'caFile');
  const asking =
    introspection === undefined
      ? undefined
      : {
          endpoint: introspection.endpoint,
          clientId: introspection.clientId,
          response: introspection.response,
          certificatePem: await read(introspection.certificateFile, 'introspection.certificateFile'),
          privateKeyPem: await read(introspection.privateKeyFile, 'introspection.privateKeyFile'),
        };
  return createAuthorizer({ issuer, audience, caPem, introspection: asking });
}
