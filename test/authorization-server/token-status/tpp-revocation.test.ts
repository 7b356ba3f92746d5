import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { parseConfig } from '../../../src/configuration/config.ts';
import { isRefusal } from '../../../src/errors.ts';
import { type EventSink, logTo } from '../../../src/events.ts';
import { presented } from '../../../src/mutual-tls/presented-certificate.ts';
import { createAuthorizer } from '../../../src/resource-server/index.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { describeSandbox, makeFolder, type SandboxDescription } from '../../../src/sandbox/folder.ts';
import { openRevocationService } from '../../../src/sandbox/revocation/revocation-service.ts';
import { choosePorts } from '../../../src/sandbox/ports.ts';
import { revokeInSandbox } from '../../../src/sandbox/revocation/revoke.ts';
import { sandboxConfiguration } from '../../../src/sandbox/sandbox-configuration.ts';
import { type RunningServer, startServer } from '../../../src/server/server.ts';

let folder: string;
let description: SandboxDescription;
let server: RunningServer;
let revocationPort: number;
const agents: Agent[] = [];
const counted: string[] = [];
const closing: (() => Promise<unknown>)[] = [];
const logged: Parameters<EventSink>[0][] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-revocation-'));
  const now = systemClock.now();
  const ports = await choosePorts({ front: 0, mtls: 0, resource: 0, tpp: 0, revocation: 0 });
  const notAfter = await makeFolder(folder, { ports, now });
  description = await describeSandbox(folder, { notAfter, ports, redirectUris: [] });
  revocationPort = ports.revocation;
  const value = (await sandboxConfiguration(folder, description)) as { revocation: object };
  const config = parseConfig(
    { ...value, revocation: { ...value.revocation, coolDownSeconds: 1 } },
    { source: folder, folder },
  );
  const note: EventSink = (name) => logged.push(name);
  const count: EventSink = (_name, { counter }, fields) => {
    if (counter !== undefined)
      counted.push([counter.name, ...counter.labels.map((label) => fields[label])].join(' '));
  };
  server = await startServer(config, { aspsp: demoAspsp(), log: logTo(note, count) });
  closing.push(() => server.close());
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.destroy()));
  for (const close of closing.toReversed()) await close();
  await rm(folder, { recursive: true, force: true });
});

/** A TPP with a connection that it keeps. */
async function tppOf(name: string) {
  const tpp = tppNamed(description, name);
  const [ca, cert, key] = await Promise.all(
    [description.caFile, tpp.certificateFile, tpp.keyFile].map((file) => readFile(file, 'utf8')),
  );
  const dispatcher = new Agent({ connect: { ca, cert, key }, connections: 1 });
  agents.push(dispatcher);
  const post = async (path: string, form: Record<string, string>) => {
    const body = new URLSearchParams({ client_id: tpp.clients.tls_client_auth.client_id, ...form });
    const response = await fetch(`${description.mtlsUrl}${path}`, { method: 'POST', body, dispatcher });
    const json = (await response.json()) as Record<string, string | undefined>;
    const code = /^ERR_[A-Z_]+/.exec(json.error_description ?? '')?.[0];
    return { status: response.status, error: json.error, code, headers: response.headers, json };
  };
  return { post, token: () => post('/token', { grant_type: 'client_credentials', scope: 'accounts' }) };
}

/** What a protected API says of a token from the certificate of a TPP. */
async function apiThatTakes(token: string, name: string): Promise<() => Promise<string>> {
  const authorizer = createAuthorizer({
    issuer: description.issuer,
    audience: description.resourceUrl,
    caPem: await readFile(description.caFile, 'utf8'),
  });
  closing.push(() => authorizer.close());
  const pem = await readFile(tppNamed(description, name).certificateFile, 'utf8');
  const certificate = presented(new X509Certificate(pem));
  const rawHeaders = ['authorization', `Bearer ${token}`];
  return async () => {
    try {
      await authorizer.authorize(
        { method: 'GET', url: '/accounts', rawHeaders, certificate },
        { scopes: ['accounts'] },
      );
      return 'accepted';
    } catch (error) {
      if (isRefusal(error)) return error.code;
      throw error;
    }
  };
}

describe('a TPP whose certificates', () => {
  it('nobody answers for is told to come again, with Retry-After, and is served when somebody does (F19)', async () => {
    const tpp = await tppOf('money-one');
    const refused = await tpp.token();
    expect([refused.status, refused.error, refused.code]).toEqual([
      503,
      'temporarily_unavailable',
      'ERR_CERT_REVOCATION_UNAVAILABLE',
    ]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(logged).toContain('revocation.unknown');
    expect(logged).toContain('dependency.unavailable');
    expect(counted).toContain('tallystick_revocation_answers_total unavailable');
    const service = await openRevocationService(folder, {
      port: revocationPort,
      log: { emit() {} },
    });
    closing.push(() => service.close());
    await expect.poll(async () => (await tpp.token()).status, { timeout: 8000 }).toBe(200);
  });

  it('are revoked is refused within seconds, on the connection that it has, between PAR and token (F3)', async () => {
    const tpp = await tppOf('money-two');
    expect((await tpp.token()).status).toBe(200);
    const { access_token: token = '' } = (await tpp.token()).json;
    const api = await apiThatTakes(token, 'money-two');
    expect(await api()).toBe('accepted');
    const pushed = await tpp.post('/par', {
      response_type: 'code',
      redirect_uri: tppNamed(description, 'money-two').clients.tls_client_auth.redirect_uris[0] ?? '',
      scope: 'openid accounts',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    });
    expect(pushed.status).toBe(201);
    await revokeInSandbox(folder, {
      target: { tpp: 'money-two' },
      at: systemClock.now(),
      reason: 'keyCompromise',
    });
    await expect.poll(async () => (await tpp.token()).code, { timeout: 8000 }).toBe('ERR_CERT_REVOKED');
    const refused = await tpp.post('/token', {
      grant_type: 'authorization_code',
      code: 'x',
      redirect_uri: 'y',
    });
    expect([refused.status, refused.error, refused.code]).toEqual([
      400,
      'invalid_client',
      'ERR_CERT_REVOKED',
    ]);
    // The token that it holds dies with its certificate, as status lists are read.
    await expect.poll(api, { timeout: 10_000, interval: 200 }).toBe('ERR_TOKEN_REVOKED');
    expect((await (await tppOf('money-one')).token()).status).toBe(200);
  });
});
