import { join } from 'node:path';
import { invalidConfig } from '../src/errors.ts';
import { type RunningSandbox, startSandbox } from '../src/sandbox/sandbox.ts';
import type { SandboxDescription } from '../src/sandbox/folder.ts';
import { BrazilMarket } from './brazil/brazil-market.ts';
import { BRAZIL_DCR, type Combination } from './combinations.ts';
import { type ClientKey, createClientKey, type KeyAlgorithm } from './client-keys.ts';
import { type Customer, suiteConfiguration } from './configuration.ts';
import { clientsOf, redirectUrisOf, type SuiteClient } from './registrations.ts';

export interface ServerUnderTestOptions {
  readonly combinations: readonly Combination[];
  /** Address of the suite, and so of the clients' redirect URIs. */
  readonly suite: URL;
  /** PEM of the CA of the suite's certificate, or of that certificate; absent = the CAs of the system know it. */
  readonly suiteCertificateFile?: string | undefined;
  /** Start of the alias of every combination. */
  readonly alias: string;
  readonly keyAlgorithm: KeyAlgorithm;
  /** Name of the demo customer who logs in; absent = the first. */
  readonly username?: string | undefined;
  /** Members of the server's configuration that replace those of the sandbox. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly folder: string;
  readonly host?: string | undefined;
  /** The port of the front channel; the other four follow it. 0 = any free ones. */
  readonly port: number;
}

/** A sandbox with two clients for each combination, and the suite's configuration for each. */
export interface ServerUnderTest {
  readonly description: SandboxDescription;
  configurationOf(combination: Combination): Promise<Readonly<Record<string, unknown>>>;
  close(): Promise<void>;
}

/** @throws ERR_CONFIG_INVALID for settings that the server refuses, or a customer that there is not */
export async function startServerUnderTest(options: ServerUnderTestOptions): Promise<ServerUnderTest> {
  const keys = await Promise.all([
    createClientKey(options.keyAlgorithm),
    createClientKey(options.keyAlgorithm),
  ]);
  const { port, host, combinations } = options;
  const folder = join(options.folder, 'sandbox');
  const registering = combinations.filter(isRegistering);
  const brazil =
    registering.length === 0
      ? undefined
      : await BrazilMarket.prepare(join(options.folder, 'brazil'), keys[0], host);
  const portAt = (offset: number) => (port === 0 ? 0 : port + offset);
  const sandbox = await startSandbox({
    folder,
    isReset: true,
    ports: { front: portAt(0), mtls: portAt(1), resource: portAt(2), tpp: portAt(3), app: portAt(4) },
    certificatesDemanded: 'where-tokens-are-bound-to-one',
    // The plans of FAPI 1.0 know no suite of TLS 1.2 for EC keys (FAPI 1.0 Advanced §8.5).
    serverKeyType: 'rsa-2048',
    automatesApprovals: true,
    amendConfiguration: (configuration, description) => {
      const clients = combinations
        .filter((one) => !isRegistering(one))
        .flatMap((one) => clientsFor(one, description, keys, options));
      const registrations = clients.map(({ registration }) => registration);
      // Modules leave requests open, all for one customer.
      const ciba = { notifications: notificationsTo(options), openRequestsPerCustomer: 100 };
      const profiles = {
        allowed: ['fapi2-security', 'fapi2-message-signing', 'fapi1-advanced', 'uk-open-banking'],
      };
      const server = merged(configuration, { profiles, ciba, clients: registrations });
      return merged(merged(server, brazil?.settings(server) ?? {}), options.settings);
    },
    ...(host === undefined ? {} : { host }),
  });
  const close = async () => {
    await brazil?.close();
    await sandbox.close();
  };
  try {
    const redirectUris = registering.flatMap((one) => redirectUrisOf(options.suite, aliasOf(one, options)));
    await brazil?.open(folder, sandbox.description, redirectUris);
    return serverUnderTest({ ...sandbox, close, brazil }, keys, options);
  } catch (error) {
    await close();
    throw error;
  }
}

/** Whether the suite registers its client itself. */
function isRegistering({ plan }: Combination): boolean {
  return plan === BRAZIL_DCR;
}

function serverUnderTest(
  { description, close, brazil }: RunningSandbox & { readonly brazil: BrazilMarket | undefined },
  keys: readonly ClientKey[],
  options: ServerUnderTestOptions,
): ServerUnderTest {
  const { customers } = description;
  const customer: Customer | undefined =
    options.username === undefined
      ? customers[0]
      : customers.find(({ username }) => username === options.username);
  if (customer === undefined) {
    const message = `the demo bank has no customer ${options.username}`;
    throw invalidConfig('command line', [{ path: '--user', message }]);
  }
  return {
    description,
    configurationOf: async (combination) => {
      const clients = clientsFor(combination, description, keys, options);
      const alias = aliasOf(combination, options);
      const configuration = await suiteConfiguration(combination, {
        sandbox: description,
        clients,
        customer,
        alias,
        suite: options.suite,
      });
      if (brazil === undefined || !isRegistering(combination)) return configuration;
      return { ...configuration, ...(await brazil.suiteMembers(description)) };
    },
    close,
  };
}

function clientsFor(
  combination: Combination,
  sandbox: SandboxDescription,
  keys: readonly ClientKey[],
  options: ServerUnderTestOptions,
): readonly [SuiteClient, SuiteClient] {
  const { suite } = options;
  return clientsOf(combination, { sandbox, keys, suite, alias: aliasOf(combination, options) });
}

/** The suite is a client that takes notifications, by a certificate that it made itself. */
function notificationsTo({ suite, suiteCertificateFile }: ServerUnderTestOptions) {
  return {
    privateHosts: [suite.host],
    ...(suiteCertificateFile === undefined ? {} : { caFile: suiteCertificateFile }),
  };
}

/** Combinations run at the same time, so that each has redirect URIs of its own. */
function aliasOf({ name }: Combination, { alias }: { readonly alias: string }): string {
  return `${alias}-${name}`;
}

/** The settings in place of members of the same name; objects are merged, lists are not. */
function merged(
  base: Readonly<Record<string, unknown>>,
  settings: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const changed = Object.entries(settings).map(([name, value]) => {
    const before = base[name];
    return [name, isObject(before) && isObject(value) ? merged(before, value) : value] as const;
  });
  return { ...base, ...Object.fromEntries(changed) };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
