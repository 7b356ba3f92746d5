import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { replaceFile } from '../files/created-file.ts';
import { cibaClientsOf } from './ciba-clients.ts';
import { DEMO_CUSTOMERS } from './bank/customers.ts';
import { SANDBOX_ORGANIZATION } from '../tpp/trust-files.ts';
import type { Nca } from './pki/issue-options.ts';
import type { KeyType } from './pki/keys.ts';
import { organizationIdentifierOf, TPP_PLANS, type TppPlan } from './pki/tpps.ts';
import {
  FILE_METADATA,
  listsUrlOf,
  REGISTERED_TPP_PLANS,
  SOFTWARE_DIRECTORY,
} from './registers/register-plans.ts';
import { clientIdOf, moreClients } from './sandbox-clients.ts';
import type { SandboxDescription, SandboxRegisters, SandboxTpp } from './sandbox-description.ts';
import { certificateFiles, pathsOf, tppFiles } from './sandbox-paths.ts';

export type {
  SandboxDescription,
  SandboxRegisters,
  SandboxTpp,
} from './sandbox-description.ts';
export { type CertificateFiles, pathsOf } from './sandbox-paths.ts';

export const PKCS12_PASSPHRASE = 'sandbox';

export interface Ports {
  readonly front: number;
  readonly mtls: number;
  readonly resource: number;
  /** Of the page of the demo TPP. */
  readonly tpp: number;
  /** Of the demo bank's application. */
  readonly app: number;
  /** Of the EBA register, the UK directory and the directory of software statements. */
  readonly register: number;
  /** Of the revocation service. The certificates point to it, so it is chosen with them and never changes. */
  readonly revocation: number;
}

/** The state of a sandbox between two runs. */
interface State {
  readonly version: 5;
  /** The name in the server's certificate beside `localhost`, and in every address. */
  readonly host?: string | undefined;
  readonly notAfter: string;
  readonly ports: Ports;
  readonly redirectUris: readonly string[];
}

/** Where the demo's own flow ends; nothing listens there. */
export const DEMO_REDIRECT_URI = 'https://tpp.example/callback';
/** The callback of the demo TPP's page. */
export const TPP_CALLBACK = '/callback';
const DAYS_VALID = 365;
const DAY = 86_400_000;
const LINUX_OWNER_ONLY = 0o700;

/** The state of an earlier run; a state that is of no use is removed. */
export async function keptState(
  folder: string,
  options: { readonly isReset: boolean; readonly now: Date },
): Promise<State | undefined> {
  const paths = pathsOf(folder);
  if (!existsSync(paths.state)) return undefined;
  const state = options.isReset ? undefined : await readState(paths.state);
  if (state !== undefined && new Date(state.notAfter) > options.now) return state;
  await removeSandbox(folder);
  return undefined;
}

/** The argument of the script that makes a folder. */
export interface FolderContent {
  readonly folder: string;
  readonly revocationUrl: string;
  /** ISO 8601. */
  readonly notBefore: string;
  readonly notAfter: string;
  readonly host?: string | undefined;
  /** Begins the names of the authorities. */
  readonly authorityPrefix: string;
  /** The competent authority of every TPP, instead of the sandbox's. */
  readonly nca?: Nca | undefined;
  /** Makes the public registers too, and the TPPs in them. */
  readonly hasRegisters: boolean;
  /** The key of the server certificate. */
  readonly serverKeyType: KeyType;
}

/**
 * Makes the PKI, the TPPs and the registry, and returns the end of their validity. A separate process does it: the
 * code that makes certificates is needed once, and its memory would stay with the server.
 */
export async function makeFolder(
  folder: string,
  options: {
    readonly ports: Pick<Ports, 'revocation'>;
    readonly now: Date;
    readonly host?: string | undefined;
    /** Of the revocation service, when it is not reached by `ports` on this machine. */
    readonly revocationUrl?: string | undefined;
    readonly authorityPrefix?: string;
    readonly nca?: Nca | undefined;
    readonly hasRegisters?: boolean;
    readonly serverKeyType?: KeyType | undefined;
  },
): Promise<string> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, LINUX_OWNER_ONLY);
  const script = import.meta.url.endsWith('.ts') ? './pki/make-files.ts' : './pki/make-files.js';
  const after = (days: number) => new Date(options.now.getTime() + days * DAY).toISOString();
  const { host, nca, authorityPrefix = SANDBOX_ORGANIZATION, hasRegisters = false } = options;
  const { serverKeyType = 'ec-p256' } = options;
  const revocationUrl = options.revocationUrl ?? revocationUrlOf(options.ports);
  const [notBefore, notAfter] = [after(-2), after(DAYS_VALID)];
  const content: FolderContent = {
    ...{ folder, revocationUrl, notBefore, notAfter, host },
    ...{ authorityPrefix, nca, hasRegisters, serverKeyType },
  };
  await promisify(execFile)(process.execPath, [
    fileURLToPath(new URL(script, import.meta.url)),
    JSON.stringify(content),
  ]);
  return notAfter;
}

function hostInUrl(host = 'localhost'): string {
  return isIPv6(host) ? `[${host}]` : host;
}

/** Base URL of the revocation service, as the certificates have it. */
function revocationUrlOf({ revocation }: Pick<Ports, 'revocation'>): string {
  return `http://127.0.0.1:${revocation}`;
}

/** Writes the remembered state and `sandbox.json`, after the ports are known. */
export async function describeSandbox(
  folder: string,
  facts: Pick<State, 'notAfter' | 'ports' | 'redirectUris' | 'host'>,
): Promise<SandboxDescription> {
  const paths = pathsOf(folder);
  const state: State = { version: 5, ...facts };
  const at = (port: number) => new URL(`https://${hostInUrl(facts.host)}:${port}`).origin;
  const tppUrl = at(facts.ports.tpp);
  const redirectUris = [...new Set([DEMO_REDIRECT_URI, `${tppUrl}${TPP_CALLBACK}`, ...facts.redirectUris])];
  const registers = describeRegisters(folder, facts.ports);
  const plans = registers === undefined ? TPP_PLANS : [...TPP_PLANS, ...REGISTERED_TPP_PLANS];
  const description: SandboxDescription = {
    issuer: at(facts.ports.front),
    mtlsUrl: at(facts.ports.mtls),
    resourceUrl: at(facts.ports.resource),
    tppUrl,
    appUrl: at(facts.ports.app),
    caFile: paths.root,
    audit: { ...paths.audit, storeFile: paths.store },
    revocationUrl: revocationUrlOf(facts.ports),
    ...(registers === undefined ? {} : { registers }),
    tpps: plans.map((plan) => describeTpp(folder, plan, { redirectUris, tppUrl })),
    pkcs12Passphrase: PKCS12_PASSPHRASE,
    broken: await describeBroken(folder),
    customers: DEMO_CUSTOMERS.map(({ username, password, totpSecret }) => ({
      username,
      password,
      totpSecret,
    })),
  };
  await replaceFile(paths.state, JSON.stringify(state, undefined, 2));
  await replaceFile(paths.description, `${JSON.stringify(description, undefined, 2)}\n`);
  return description;
}

function describeRegisters(folder: string, ports: Ports): SandboxRegisters | undefined {
  const { registers, tpp } = pathsOf(folder);
  if (!existsSync(registers.state)) return undefined;
  return {
    folder,
    ebaRegisterUrl: `https://127.0.0.1:${ports.register}${FILE_METADATA}`,
    ukDirectoryUrl: `https://127.0.0.1:${ports.register}`,
    softwareDirectoryUrl: `https://127.0.0.1:${ports.register}${SOFTWARE_DIRECTORY}`,
    listOfListsUrl: `${listsUrlOf(revocationUrlOf(ports))}/eu-lotl.xml`,
    officialJournalFile: registers.officialJournal,
    formerIssuer: certificateFiles(tpp('travel-pay', 'former-issuer')),
  };
}

/** The description that the last start has written; undefined when the folder has none. */
export async function readDescription(folder: string): Promise<SandboxDescription | undefined> {
  const { description } = pathsOf(folder);
  if (!existsSync(description)) return undefined;
  return JSON.parse(await readFile(description, 'utf8')) as SandboxDescription;
}

/** The files and clients of a TPP. */
export function describeTpp(
  folder: string,
  plan: TppPlan,
  {
    redirectUris = [],
    tppUrl = '',
  }: { readonly redirectUris?: readonly string[]; readonly tppUrl?: string } = {},
): SandboxTpp {
  const at = (file: string) => pathsOf(folder).tpp(plan.name, file);
  return {
    name: plan.name,
    legalName: plan.legalName,
    organizationIdentifier: organizationIdentifierOf(plan),
    roles: plan.roles,
    status: plan.status,
    clients: {
      tls_client_auth: { client_id: clientIdOf(plan, 'tls_client_auth'), redirect_uris: redirectUris },
      private_key_jwt: { client_id: clientIdOf(plan, 'private_key_jwt'), redirect_uris: redirectUris },
    },
    moreClients: moreClients(plan, redirectUris),
    cibaClients: cibaClientsOf(plan.name, tppUrl),
    ...tppFiles(at('qwac')),
    signingKeyFile: at('signing-key.json'),
    signingKeyPemFile: at('signing-key.pem'),
    renewed: tppFiles(at('renewed')),
    seal: tppFiles(at('qsealc')),
  };
}

async function describeBroken(folder: string): Promise<SandboxDescription['broken']> {
  const paths = pathsOf(folder);
  const codes: unknown = JSON.parse(await readFile(paths.brokenCodes, 'utf8'));
  return Object.entries(codes as Record<string, string>).map(([name, expectedCode]) => ({
    name,
    expectedCode,
    ...paths.broken(name),
  }));
}

async function readState(file: string): Promise<State | undefined> {
  if (!existsSync(file)) return undefined;
  const state: unknown = JSON.parse(await readFile(file, 'utf8'));
  const isKnown = typeof state === 'object' && state !== null && 'version' in state && state.version === 5;
  return isKnown ? (state as State) : undefined;
}

/** Removes the files that a sandbox makes, and no other file of the folder. */
async function removeSandbox(folder: string): Promise<void> {
  const paths = pathsOf(folder);
  const made = [
    ...['pki', 'tpps', 'broken', 'bank'].map((name) => join(folder, name)),
    ...[paths.registers.folder, ...Object.values(paths.kept)],
    ...[paths.state, paths.description, paths.registry, paths.secret, paths.signingKeys],
    ...[paths.log, paths.revocations, paths.audit.folder, paths.audit.keyFile],
    ...['', '-wal', '-shm'].map((suffix) => paths.store + suffix),
  ];
  await Promise.all(made.map((path) => rm(path, { recursive: true, force: true })));
}
