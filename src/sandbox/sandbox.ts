import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  createConnectionLimits,
  createListener,
  createLog,
  type Log,
  parseConfig,
  type RunningServer,
  type ServerParts,
  startServer,
  systemClock,
} from '../index.ts';
import { createAuthorizer, createProtection } from '../resource-server/index.ts';
import { demoAspsp } from './bank/customers.ts';
import { demoBank } from './bank/demo-bank.ts';
import {
  describeSandbox,
  keptState,
  makeFolder,
  pathsOf,
  type Ports,
  type SandboxDescription,
} from './folder.ts';
import { LOOPBACK, sandboxConfiguration } from './sandbox-configuration.ts';
import { choosePorts } from './ports.ts';
import { openRevocationService } from './revocation/revocation-service.ts';

export interface SandboxOptions {
  /** Where everything is kept. */
  readonly folder: string;
  /** Starts anew: new PKI, no clients' tokens. */
  readonly isReset?: boolean;
  /** 0 = any free one; the one of the last run if it is still free. */
  readonly ports?: Partial<Ports>;
  /** Added to every demo client. */
  readonly redirectUris?: readonly string[];
  /** Used instead of the embedded store, and closed with the sandbox. */
  readonly store?: NonNullable<ServerParts['store']>;
}

export interface RunningSandbox {
  readonly description: SandboxDescription;
  readonly server: RunningServer;
  readonly descriptionFile: string;
  readonly logFile: string;
  close(): Promise<void>;
}

const DEFAULT_PORTS: Ports = { front: 8443, mtls: 8444, resource: 8445, revocation: 0 };

/** Starts the authorization server and the demo bank in this process, on the embedded store. */
export async function startSandbox(options: SandboxOptions): Promise<RunningSandbox> {
  const folder = resolve(options.folder);
  const paths = pathsOf(folder);
  const now = systemClock.now();
  const kept = await keptState(folder, { isReset: options.isReset ?? false, now });
  const ports = await choosePorts({ ...DEFAULT_PORTS, ...options.ports }, kept?.ports);
  const notAfter = kept?.notAfter ?? (await makeFolder(folder, { ports, now }));
  const redirectUris = [...new Set([...(kept?.redirectUris ?? []), ...(options.redirectUris ?? [])])];
  const description = await describeSandbox(folder, { notAfter, ports, redirectUris });
  const log = createLog({ file: paths.log });
  const config = parseConfig(await sandboxConfiguration(folder, description), { source: folder, folder });
  const started: { close(): Promise<void> }[] = [];
  const close = async () => {
    for (const part of started.toReversed()) await part.close();
  };
  try {
    started.push(await openRevocationService(folder, { port: ports.revocation, log }));
    const { store } = options;
    const server = await startServer(config, {
      aspsp: demoAspsp(),
      log,
      ...(store === undefined ? {} : { store }),
    });
    started.push(server);
    started.push(await startBank(folder, { description, server, log, port: ports.resource }));
    return { description, server, descriptionFile: paths.description, logFile: paths.log, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startBank(
  folder: string,
  parts: Pick<RunningSandbox, 'description' | 'server'> & { readonly log: Log; readonly port: number },
) {
  const { description, server, log, port } = parts;
  const paths = pathsOf(folder);
  const [certificatePem, privateKeyPem, caPem] = await Promise.all([
    readFile(paths.server.certificateFile, 'utf8'),
    readFile(paths.server.keyFile, 'utf8'),
    readFile(paths.root, 'utf8'),
  ]);
  const authorizer = createAuthorizer({
    issuer: description.issuer,
    audience: description.resourceUrl,
    caPem,
  });
  const protection = createProtection({ authorizer, clientCertificate: { from: 'socket' }, log });
  const listener = createListener({
    name: 'resource',
    certificatePem,
    privateKeyPem,
    requestClientCertificate: true,
    log,
    connections: createConnectionLimits({ log, exemptAddresses: LOOPBACK }),
  });
  listener.serve(
    new URL(description.resourceUrl),
    demoBank({ protection, findConsent: (consentId) => server.consents.find(consentId), log }),
  );
  await listener.listen(port, '127.0.0.1');
  return {
    close: async () => {
      await listener.close();
      await authorizer.close();
    },
  };
}
