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
import { findRedirectUriProblem } from '../authorization-server/clients/redirect-uri.ts';
import { invalidConfig } from '../errors.ts';
import { createAuthorizer, createProtection, type Protection } from '../resource-server/index.ts';
import { demoAspsp } from './bank/customers.ts';
import { phoneApp } from './bank/phone/phone-app.ts';
import { PhoneMessages } from './bank/phone/phone-messages.ts';
import { bankSignatures } from './bank/bank-signatures.ts';
import { API_SCOPES, demoBank } from './bank/demo-bank.ts';
import { PaymentOrders } from './bank/api/payment-orders.ts';
import { AuthorisedPayments } from './bank/berlin-group/authorised-payments.ts';
import { Ledger } from './bank/ledger.ts';
import {
  describeSandbox,
  keptState,
  makeFolder,
  pathsOf,
  type Ports,
  type SandboxDescription,
} from './folder.ts';
import { tppPage } from './demo/tpp-page.ts';
import { lockFolder } from './folder-lock.ts';
import { bindAddressOf, LOOPBACK, sandboxConfiguration, type SandboxRules } from './sandbox-configuration.ts';
import { choosePorts } from './ports.ts';
import { BANK_API } from './sandbox-paths.ts';
import type { KeyType } from './pki/keys.ts';
import { openRegisterService } from './registers/register-service.ts';
import { withoutRefreshes, withRegisters } from './registers/registers-configuration.ts';
import { openRevocationService } from './revocation/revocation-service.ts';

export interface SandboxOptions extends SandboxRules {
  /** Where everything is kept. */
  readonly folder: string;
  /** Starts anew: new PKI, no clients' tokens. */
  readonly isReset?: boolean;
  /** Absent = the one of the last run; 0 = the same if it is free, or any free one. */
  readonly ports?: Partial<Ports>;
  /** A name or address in every URL instead of `localhost`; the sandbox then listens on every address. */
  readonly host?: string;
  /** The key of the server certificate, where the folder is new. Default `ec-p256`. */
  readonly serverKeyType?: KeyType;
  /** Added to every demo client. */
  readonly redirectUris?: readonly string[];
  /** Changes the configuration of the authorization server before the server validates it. */
  readonly amendConfiguration?: (
    configuration: Readonly<Record<string, unknown>>,
    description: SandboxDescription,
  ) => unknown;
  /** Opens an address of the demo bank's application that answers for customers, as the suite needs it. */
  readonly automatesApprovals?: boolean;
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

/** Starts the authorization server and the demo bank in this process, on the embedded store. */
export async function startSandbox(options: SandboxOptions): Promise<RunningSandbox> {
  const folder = resolve(options.folder);
  const paths = pathsOf(folder);
  const lock = await lockFolder(folder, paths.lock);
  const started: { close(): Promise<void> }[] = [{ close: lock.release }];
  const close = async () => {
    for (const part of started.toReversed()) await part.close();
  };
  try {
    const { description, ports } = await openFolder(folder, options);
    const log = withoutRefreshes(createLog({ file: paths.log }));
    const own = await sandboxConfiguration(folder, description, options);
    const value = withRegisters(own, folder, description);
    const amended = options.amendConfiguration?.(value, description) ?? value;
    const config = parseConfig(amended, { source: folder, folder });
    started.push(await openRevocationService(folder, { port: ports.revocation, log }));
    if (description.registers !== undefined) {
      const url = new URL(new URL(description.registers.ebaRegisterUrl).origin);
      started.push(await openRegisterService(folder, { url, log, tpps: description.tpps }));
    }
    const { store, automatesApprovals: isAutomated = false } = options;
    const messages = new PhoneMessages();
    const server = await startServer(config, {
      aspsp: demoAspsp(messages),
      log,
      ...(store === undefined ? {} : { store }),
    });
    started.push(server);
    started.push(await startBank(folder, { description, server, log, port: ports.resource }));
    started.push(
      await startPhone(folder, { description, server, log, port: ports.app, isAutomated, messages }),
    );
    started.push(await startTpp(folder, { description, log, port: ports.tpp }));
    return { description, server, descriptionFile: paths.description, logFile: paths.log, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The folder of the last run, or a new one. @throws ERR_CONFIG_INVALID for another host than that of the certificates */
async function openFolder(folder: string, options: SandboxOptions) {
  const now = systemClock.now();
  const kept = await keptState(folder, { isReset: options.isReset ?? false, now });
  const host = options.host ?? kept?.host;
  if (kept !== undefined && host !== kept.host) {
    const message = `the certificates of this sandbox name ${kept.host ?? 'localhost'}: leave the flag out, or add --reset`;
    throw invalidConfig('command line', [{ path: '--host', message }]);
  }
  const ports = await choosePorts({ ...options.ports }, kept?.ports);
  const { serverKeyType } = options;
  const made = { ports, now, host, hasRegisters: true, serverKeyType };
  const notAfter = kept?.notAfter ?? (await makeFolder(folder, made));
  const redirectUris = [...new Set([...(kept?.redirectUris ?? []), ...(options.redirectUris ?? [])])];
  assertRedirectUris(redirectUris);
  return { description: await describeSandbox(folder, { notAfter, ports, redirectUris, host }), ports };
}

/** Before the folder keeps one that no start could use. @throws ERR_CONFIG_INVALID */
function assertRedirectUris(uris: readonly string[]): void {
  const problems = uris.flatMap((uri) => {
    const message = findRedirectUriProblem(uri);
    return message === undefined ? [] : [{ path: uri, message }];
  });
  if (problems.length > 0) throw invalidConfig('--redirect-uri', problems);
}

async function startPhone(
  folder: string,
  parts: Pick<RunningSandbox, 'description' | 'server'> & {
    readonly log: Log;
    readonly port: number;
    readonly isAutomated: boolean;
    readonly messages: PhoneMessages;
  },
) {
  const { description, log, port, isAutomated, messages } = parts;
  // A sandbox whose configuration was amended may have neither.
  const { approvals, confirmations } = parts.server;
  const url = description.appUrl;
  const listener = await pageListener(folder, { name: 'app', log });
  listener.serve(new URL(url), phoneApp({ approvals, confirmations, messages, url, isAutomated, log }));
  await listener.listen(port, bindAddressOf(description));
  return { close: () => listener.close() };
}

async function startTpp(
  folder: string,
  parts: Pick<RunningSandbox, 'description'> & { readonly log: Log; readonly port: number },
) {
  const { description, log, port } = parts;
  const listener = await pageListener(folder, { name: 'tpp', log });
  listener.serve(new URL(description.tppUrl), tppPage({ description, log }));
  await listener.listen(port, bindAddressOf(description));
  return { close: () => listener.close() };
}

/** A listener for browsers, with the certificate of the sandbox. */
async function pageListener(folder: string, { name, log }: { readonly name: string; readonly log: Log }) {
  const { server } = pathsOf(folder);
  const [certificatePem, privateKeyPem] = await Promise.all([
    readFile(server.certificateFile, 'utf8'),
    readFile(server.keyFile, 'utf8'),
  ]);
  return createListener({ name, certificatePem, privateKeyPem, requestClientCertificate: false, log });
}

async function startBank(
  folder: string,
  parts: Pick<RunningSandbox, 'description' | 'server'> & { readonly log: Log; readonly port: number },
) {
  const { description, server, log, port } = parts;
  const paths = pathsOf(folder);
  const { server: ofServer, bank: ofBank, root } = paths;
  const files = [
    ofServer.certificateFile,
    ofServer.keyFile,
    root,
    ofBank.api.certificateFile,
    ofBank.api.keyFile,
  ];
  const [certificatePem = '', privateKeyPem = '', caPem = '', apiCertificatePem = '', apiKeyPem = ''] =
    await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const authorizer = createAuthorizer({
    issuer: description.issuer,
    audience: description.resourceUrl,
    senderConstraints: ['certificate', 'certificate-and-dpop', 'dpop'],
    caPem,
    // A token ends with the answer that its code was used twice, not within five seconds.
    status: { maxAgeSeconds: 0 },
    consents: {
      endpoint: `${description.mtlsUrl}/consent-information/`,
      clientId: BANK_API,
      certificatePem: apiCertificatePem,
      privateKeyPem: apiKeyPem,
      maxAgeSeconds: 0,
    },
  });
  const bank = await bankSignatures(description.resourceUrl, server.clients);
  const protection = createProtection({
    authorizer,
    clientCertificate: { from: 'socket' },
    log,
    resourceMetadata: {
      name: 'Demo Bank',
      scopes: API_SCOPES,
      signatures: { jwksUri: `${description.resourceUrl}/jwks`, algorithms: ['ES256'] },
    },
  });
  const apis = bankParts({ description, server, protection, log });
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
    demoBank({ ...bank, ...apis, consentOf: authorizer.consentOf, protection, log }),
  );
  await listener.listen(port, bindAddressOf(description));
  return {
    close: async () => {
      apis.authorised.close();
      await listener.close();
      await authorizer.close();
    },
  };
}

/** The core of the demo bank: accounts, payments, and the consents as the running server keeps them. */
function bankParts({
  description,
  server: { consents, authenticator },
  protection,
  log,
}: Pick<RunningSandbox, 'description' | 'server'> & {
  readonly protection: Protection;
  readonly log: Log;
}) {
  const ledger = new Ledger(systemClock);
  const orders = new PaymentOrders({ consents, ledger, clock: systemClock });
  const authorised = new AuthorisedPayments({ consents, orders, log });
  const apis = {
    ...{ protection, consents, authenticator, ledger, orders, log },
    clock: systemClock,
    origin: description.resourceUrl,
    metadataUrl: `${description.issuer}/.well-known/oauth-authorization-server`,
  };
  return { ledger, authorised, apis };
}
