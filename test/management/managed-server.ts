import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Agent, fetch } from 'undici';
import { systemClock } from '../../src/clock.ts';
import { LocalTickets } from '../../src/management/operators/local-tickets.ts';
import { ROLES, type Role } from '../../src/management/operators/operator.ts';
import { type Authority, createAuthority } from '../../src/sandbox/pki/pki.ts';
import { freePort } from '../free-port.ts';
import type { SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { startTestSandbox, type TestSandbox } from '../authorization-server/running-sandbox.ts';
import { CLIENT_AUTH } from '../resource-server/test-bank.ts';

export interface ManagementRequest {
  readonly method?: string;
  readonly body?: unknown;
  /** Sent as it is. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ManagementAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: members are asserted, not typed
  readonly json: any;
}

export type Call = (path: string, request?: ManagementRequest) => Promise<ManagementAnswer>;
/** Callers of the configuration, each with the role of its name; `stranger` is of the CA and not named, `impostor` of another CA. */
type Holder = Role | 'stranger' | 'impostor';

export interface ManagedServer {
  readonly sandbox: TestSandbox;
  /** Of the loopback listener, and of the one with certificates. */
  readonly urls: { readonly local: string; readonly tls: string };
  /** Calls the loopback listener with a bearer token of these roles, or without one. */
  local(roles?: readonly Role[]): Promise<Call>;
  /** Calls the other listener with a certificate, or without one; `url` names another listener of the server. */
  tls(holder?: Holder, url?: string): Promise<Call>;
  /** PEM of the certificate of a holder and of its key. */
  keyPair(holder: Holder): { readonly cert?: string; readonly key?: string };
  tickets(): Promise<LocalTickets>;
  stop(): Promise<void>;
}

/** A sandbox whose server has both listeners of the management API. */
export async function startManaged(
  {
    amend,
    tlsPort,
  }: {
    readonly amend?: (own: Record<string, unknown>) => Record<string, unknown>;
    readonly tlsPort?: number;
  } = {},
  options: Pick<SandboxOptions, 'store'> = {},
): Promise<ManagedServer> {
  const ports = { local: await freePort(), tls: tlsPort ?? (await freePort()) };
  const programs = await createPrograms();
  let secretFile = '';
  const sandbox = await startTestSandbox({
    ...options,
    amendConfiguration: (own) => {
      const folder = dirname((own.storage as { readonly secretFile: string }).secretFile);
      secretFile = (own.storage as { readonly secretFile: string }).secretFile;
      const listen = { ...(own.listen as object), health: ports.local };
      const value = { ...own, listen, management: programs.section(folder, ports.tls) };
      return amend === undefined ? value : amend(value);
    },
  });
  const urls = { local: `http://127.0.0.1:${ports.local}`, tls: `https://localhost:${ports.tls}` };
  const agents: Agent[] = [];
  const tickets = async () => {
    const secret = Buffer.from(await readFile(secretFile, 'utf8'), 'base64url');
    return new LocalTickets({ secret, clock: systemClock });
  };
  return {
    sandbox,
    urls,
    keyPair: programs.keyPair,
    tickets,
    local: async (roles) => {
      const token =
        roles === undefined
          ? undefined
          : (await tickets()).create('bearer', { name: roles.join('+'), roles });
      return (path, request = {}) => send(`${urls.local}${path}`, withBearer(request, token));
    },
    tls: async (holder, url = urls.tls) => {
      const ca = await readFile(sandbox.description.caFile, 'utf8');
      const agent = new Agent({ connect: { ca, ...(holder === undefined ? {} : programs.keyPair(holder)) } });
      agents.push(agent);
      return (path, request = {}) => send(`${url}${path}`, request, agent);
    },
    stop: async () => {
      await Promise.all(agents.map((agent) => agent.destroy()));
      await sandbox.stop();
    },
  };
}

/** The fields of a change: a reason is in its body. */
export function changing(body: object = {}, etag?: string): ManagementRequest {
  return {
    method: 'POST',
    body: { reason: 'asked for by the test', ...body },
    headers: {
      'idempotency-key': randomUUID(),
      ...(etag === undefined ? {} : { 'if-match': etag }),
    },
  };
}

function withBearer(request: ManagementRequest, token: string | undefined): ManagementRequest {
  return token === undefined
    ? request
    : { ...request, headers: { authorization: `Bearer ${token}`, ...request.headers } };
}

async function send(
  url: string,
  { method, body, text, headers }: ManagementRequest,
  dispatcher?: Agent,
): Promise<ManagementAnswer> {
  const sent = text ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(url, {
    redirect: 'manual',
    method: method ?? (sent === undefined ? 'GET' : 'POST'),
    headers: { ...(sent === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(sent === undefined ? {} : { body: sent }),
    ...(dispatcher === undefined ? {} : { dispatcher }),
  });
  const received = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return {
    status: response.status,
    headers: response.headers as Headers,
    text: received,
    json: isJson ? JSON.parse(received) : {},
  };
}

async function createPrograms() {
  const now = systemClock.now().getTime();
  const period = { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 86_400_000) };
  const [own, other] = await Promise.all([
    createAuthority({ name: 'Bank Operators CA', ...period }),
    createAuthority({ name: 'Bank Operators CA', ...period }),
  ]);
  const issue = async (commonName: string, by: Pick<Authority, 'issue'> = own) => {
    const { certificatePem: cert, privateKeyPem: key } = await by.issue({
      profile: 'server',
      subject: { commonName },
      keyType: 'ec-p256',
      deviation: { extendedKeyUsage: [CLIENT_AUTH] },
      ...period,
    });
    return { cert, key };
  };
  const pairs = new Map<Holder, { readonly cert: string; readonly key: string }>();
  for (const role of ROLES) pairs.set(role, await issue(role));
  pairs.set('stranger', await issue('stranger'));
  pairs.set('impostor', await issue('operator', other));
  return {
    keyPair: (holder: Holder) => pairs.get(holder) ?? {},
    section: (folder: string, port: number) => {
      const anchorsFile = join(folder, 'operators-ca.pem');
      writeFileSync(anchorsFile, own.certificatePem);
      const callers = ROLES.map((role) => ({
        name: role,
        roles: [role],
        tls_client_auth_subject_dn: `CN=${role}`,
      }));
      return { url: `https://localhost:${port}`, listen: port, anchorsFile, callers };
    },
  };
}
