import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { stringify } from 'yaml';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import {
  type CertificateFiles,
  describeSandbox,
  keptState,
  makeFolder,
  pathsOf,
  type SandboxDescription,
} from '../../src/sandbox/folder.ts';
import { freePort } from '../free-port.ts';
import { replaceFile } from '../../src/files/created-file.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { systemClock } from '../../src/clock.ts';
import { layFolder } from '../sandbox/made-folders.ts';

/** The files of a bank with TPPs, resource servers and everything that can be taken away from a token. */
export interface TestBank {
  readonly folder: string;
  readonly description: SandboxDescription;
  /** What `startServer` and `tallystick serve` read. */
  readonly config: Readonly<Record<string, unknown>>;
  /** By name: the accounts API, another API of the bank, a stranger of the same CA, and an impostor of another. */
  readonly apis: Readonly<Record<'accounts' | 'other' | 'stranger' | 'impostor', CertificateFiles>>;
  readonly files: Readonly<Record<'registry' | 'clients' | 'blocks', string>>;
  remove(): Promise<void>;
}

export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const NOBODY_BLOCKED = 'blocked: []\n';

export async function createTestBank(options: { readonly format: 'jwt' | 'opaque' }): Promise<TestBank> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-bank-'));
  const now = systemClock.now();
  const [front, mtls, resource] = [await freePort(), await freePort(), await freePort()];
  const ports = { front, mtls, resource, revocation: 0, tpp: 0, app: 0, register: 0 };
  // Nothing asks the revocation service that its certificates name.
  await (await layFolder(folder))();
  const made = await keptState(folder, { isReset: false, now });
  const paths = pathsOf(folder);
  await rm(paths.registers.folder, { recursive: true, force: true });
  const notAfter = made?.notAfter ?? (await makeFolder(folder, { ports, now }));
  const description = await describeSandbox(folder, { notAfter, ports, redirectUris: [] });
  const [clients, blocks] = [join(folder, 'clients.yaml'), join(folder, 'blocks.yaml')];
  await Promise.all([replaceFile(clients, clientsText(description)), replaceFile(blocks, NOBODY_BLOCKED)]);
  const { apis, anchorsFile } = await createApiCertificates(folder, now);
  const { resourceUrl } = description;
  return {
    folder,
    description,
    apis,
    files: { registry: paths.registry, clients, blocks },
    config: {
      issuer: description.issuer,
      mtlsUrl: description.mtlsUrl,
      listen: { host: '127.0.0.1', front, mtls, health: 0 },
      tls: { certificateFile: paths.server.certificateFile, privateKeyFile: paths.server.keyFile },
      storage: { file: paths.store, secretFile: paths.secret },
      signingKeysFile: paths.signingKeys,
      resource: resourceUrl,
      accessToken: { format: options.format },
      trust: [
        {
          profile: 'eu-qualified',
          anchorsFile: paths.root,
          allowSandboxAnchors: true,
          intermediatesFile: paths.issuingCa,
          revocation: { mode: 'none' },
        },
      ],
      registry: { file: paths.registry, pollSeconds: 1 },
      blockList: { file: blocks, pollSeconds: 1 },
      clientsFile: clients,
      logLevel: 'error',
      resourceServers: [
        {
          client_id: 'accounts-api',
          resource: resourceUrl,
          anchorsFile,
          tls_client_auth_subject_dn: 'CN=accounts-api',
        },
        {
          client_id: 'other-api',
          resource: 'https://other.bank.example',
          anchorsFile,
          tls_client_auth_subject_dn: 'CN=other-api',
        },
      ],
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

export function clientsText({ tpps }: SandboxDescription, without?: string): string {
  const clients = tpps.map(({ name, organizationIdentifier, clients: { tls_client_auth: client } }) => ({
    client_id: client.client_id,
    client_name: name,
    authorization_number: organizationIdentifier,
    token_endpoint_auth_method: 'tls_client_auth',
    redirect_uris: client.redirect_uris,
    grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
    scope: 'openid accounts payments fundsconfirmations',
  }));
  return stringify({ clients: clients.filter(({ client_id: id }) => id !== without) });
}

async function createApiCertificates(folder: string, now: Date) {
  const period = {
    notBefore: new Date(now.getTime() - 3_600_000),
    notAfter: new Date(now.getTime() + 86_400_000),
  };
  const authority = await createAuthority({ name: 'Bank Internal CA', ...period });
  const anchorsFile = join(folder, 'bank-ca.pem');
  await writeFile(anchorsFile, authority.certificatePem);
  const issue = async (file: string, commonName: string, by = authority): Promise<CertificateFiles> => {
    const issued = await by.issue({
      profile: 'server',
      subject: { commonName },
      keyType: 'ec-p256',
      deviation: { extendedKeyUsage: [CLIENT_AUTH] },
      ...period,
    });
    const files = { certificateFile: join(folder, `${file}.pem`), keyFile: join(folder, `${file}.key`) };
    await writeFile(files.certificateFile, issued.certificatePem);
    await writeFile(files.keyFile, issued.privateKeyPem, { mode: 0o600 });
    return files;
  };
  const [accounts, other, stranger, impostor] = await Promise.all([
    issue('accounts-api', 'accounts-api'),
    issue('other-api', 'other-api'),
    issue('stranger', 'stranger'),
    issue('impostor', 'accounts-api', await createAuthority({ name: 'Bank Internal CA', ...period })),
  ]);
  return { anchorsFile, apis: { accounts, other, stranger, impostor } };
}

/** Speaks with the bank over TLS, with a certificate or without. */
export function createCaller(description: SandboxDescription) {
  const agents = new Map<string, Promise<Agent>>();
  const agentFor = (certificate: CertificateFiles | undefined): Promise<Agent> => {
    const key = certificate?.certificateFile ?? '';
    const known = agents.get(key) ?? agentWith(description.caFile, certificate);
    agents.set(key, known);
    return known;
  };
  const send = async (
    url: string,
    init: {
      certificate?: CertificateFiles;
      form?: Record<string, string>;
      headers?: Record<string, string>;
    } = {},
  ) => {
    const { certificate, form, headers = {} } = init;
    const response = await fetch(url, {
      dispatcher: await agentFor(certificate),
      headers,
      ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
    const json: Record<string, unknown> = isJson ? JSON.parse(text) : {};
    return { status: response.status, headers: response.headers, text, json };
  };
  return {
    send,
    /** An access token of the TPP's own, by client credentials. */
    clientToken: async (tpp: string, scope = 'accounts'): Promise<string> => {
      const certificate = tppNamed(description, tpp);
      const client_id = certificate.clients.tls_client_auth.client_id;
      const form = { grant_type: 'client_credentials', client_id, scope };
      const { json, text } = await send(`${description.mtlsUrl}/token`, { certificate, form });
      if (typeof json.access_token !== 'string') throw new Error(text);
      return json.access_token;
    },
    close: async () => {
      await Promise.all([...agents.values()].map(async (agent) => (await agent).destroy()));
    },
  };
}

async function agentWith(caFile: string, certificate: CertificateFiles | undefined): Promise<Agent> {
  const ca = await readFile(caFile, 'utf8');
  if (certificate === undefined) return new Agent({ connect: { ca } });
  const [cert, key] = await Promise.all([
    readFile(certificate.certificateFile, 'utf8'),
    readFile(certificate.keyFile, 'utf8'),
  ]);
  return new Agent({ connect: { ca, cert, key } });
}
