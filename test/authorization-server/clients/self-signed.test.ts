import { readFile, writeFile, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { clientMetadata } from '../../../src/authorization-server/clients/client-metadata.ts';
import { clientSchema, registeredClient } from '../../../src/authorization-server/clients/client-schema.ts';
import { profilesNamed } from '../../../src/authorization-server/profiles/profiles.ts';
import type { RegisteredClient } from '../../../src/authorization-server/clients/registered-client.ts';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { formatName } from '../../../src/x509/certificate/distinguished-name.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import type { CertificateFiles } from '../../../src/sandbox/folder.ts';
import { changeable, GOOD, RegisteringTpp } from '../registration/registering.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { type OwnCertificate, selfSigned } from './self-signed-certificates.ts';

const METHOD = 'self_signed_tls_client_auth';

interface Entry {
  readonly profile: string;
}

let folder: string;
let sandbox: TestSandbox;
let keys: Server;
let blocksFile: string;
let served: readonly OwnCertificate[] = [];
let [first, second, stranger, expired, coming, ofOther]: OwnCertificate[] = [];
const one = () => tppNamed(sandbox.description, 'money-one');
const two = () => tppNamed(sandbox.description, 'money-two');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-own-'));
  blocksFile = join(folder, 'blocked.json');
  await writeFile(blocksFile, JSON.stringify({ blocked: [] }));
  const DAY = 86_400_000;
  [first, second, stranger, ofOther, expired, coming] = await Promise.all([
    selfSigned(folder),
    selfSigned(folder, { use: undefined }),
    selfSigned(folder),
    selfSigned(folder),
    selfSigned(folder, { from: -2 * DAY, to: -DAY }),
    selfSigned(folder, { from: DAY }),
  ]);
  sandbox = await startTestSandbox({
    amendConfiguration: (value) => ({
      ...value,
      trust: (value.trust as Entry[]).slice(0, 1).map((entry) => ({ ...entry, profile: 'own-ca' })),
      selfSignedCertificates: 'accept-registered',
      blockList: { file: blocksFile },
      registration: { profiles: [{ profile: 'certificate', selfSignedCertificates: 'accept' }] },
      clientKeys: { ...(value.clientKeys as object), privateHosts: ['localhost'] },
    }),
  });
  const pki = (file: string) => readFile(join(sandbox.folder, 'pki', file), 'utf8');
  keys = createServer({ cert: await pki('server.pem'), key: await pki('server.key') }, (_request, response) =>
    response.end(JSON.stringify({ keys: served.map(({ jwk }) => jwk) })),
  );
  await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve));
  const clients = [
    clientOf('own', one().organizationIdentifier, [first, second, expired, coming]),
    clientOf('other', one().organizationIdentifier, [ofOther]),
    { ...clientOf('by-address', one().organizationIdentifier, []), jwks: undefined, jwks_uri: address() },
  ];
  for (const client of clients) await sandbox.server.clients.register(client as RegisteredClient);
});
afterAll(async () => {
  keys?.closeAllConnections();
  keys?.close();
  await sandbox?.stop();
  await rm(folder, { recursive: true });
});

const address = () => `https://localhost:${(keys.address() as AddressInfo).port}/jwks`;

function clientOf(id: string, number: string, certificates: readonly (OwnCertificate | undefined)[]) {
  return {
    client_id: id,
    client_name: 'Money One',
    authorization_number: number,
    token_endpoint_auth_method: METHOD,
    redirect_uris: ['https://app.money-one.tpp.example/callback'],
    grant_types: ['client_credentials', 'authorization_code'],
    scope: 'openid accounts',
    jwks: { keys: certificates.flatMap((each) => (each === undefined ? [] : [each.jwk])) },
  };
}

const tokenBy = (certificate: CertificateFiles | undefined, clientId: string, more = {}) =>
  sandbox.send(`${sandbox.description.mtlsUrl}/token`, {
    ...(certificate === undefined ? {} : { certificate }),
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      scope: 'accounts',
      ...more,
    }),
  });

async function refusedAs(answer: ReturnType<TestSandbox['send']>, code: string): Promise<void> {
  const { status, json } = await answer;
  expect([String(json.error_description).split(':')[0], json.access_token]).toEqual([code, undefined]);
  expect([400, 401]).toContain(status);
}

describe('a client with a self-signed certificate (RFC 8705 §2.2)', () => {
  it('gets a token that is bound to this certificate, with the roles of the registry', async () => {
    const { status, json } = await tokenBy(first, 'own');
    expect(status).toBe(200);
    expect(decodeJwt(String(json.access_token))).toMatchObject({
      client_id: 'own',
      cnf: { 'x5t#S256': first?.thumbprint },
      authorization_number: one().organizationIdentifier,
      tpp_roles: expect.arrayContaining(['PSP_AI']),
    });
  });

  it('renews by two certificates in its keys at once, with and without use tls', async () => {
    const { json } = await tokenBy(second, 'own');
    expect(decodeJwt(String(json.access_token)).cnf).toEqual({ 'x5t#S256': second?.thumbprint });
  });

  it('may revoke, push and read userinfo, over this certificate only (A1)', async () => {
    const token = String((await tokenBy(first, 'own')).json.access_token);
    const at = (path: string, certificate: OwnCertificate | undefined, form: Record<string, string>) =>
      sandbox.send(`${sandbox.description.mtlsUrl}${path}`, {
        ...(certificate === undefined ? {} : { certificate }),
        method: 'POST',
        body: new URLSearchParams(form),
      });
    expect((await at('/revoke', second, { client_id: 'own', token: 'unknown' })).status).toBe(200);
    const pushed = await at('/par', first, {
      client_id: 'own',
      response_type: 'code',
      scope: 'openid accounts',
      redirect_uri: 'https://app.money-one.tpp.example/callback',
      code_challenge_method: 'S256',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    });
    expect(pushed.status).toBe(201);
    const userinfo = (certificate: OwnCertificate | undefined) =>
      sandbox.send(`${sandbox.description.mtlsUrl}/userinfo`, {
        ...(certificate === undefined ? {} : { certificate }),
        headers: { authorization: `Bearer ${token}` },
      });
    // Bound, live, and without the scope openid.
    expect((await userinfo(first)).json.error).toBe('insufficient_scope');
    expect((await userinfo(second)).json.error).toBe('invalid_token');
    await refusedAs(userinfo(stranger), 'ERR_CERT_SELF_SIGNED');
    await refusedAs(userinfo(ofOther), 'ERR_CERT_SELF_SIGNED');
  });

  it.each([
    ['an unknown certificate', () => tokenBy(stranger, 'own'), 'ERR_CERT_SELF_SIGNED'],
    ['the certificate of another client', () => tokenBy(ofOther, 'own'), 'ERR_CERT_SELF_SIGNED'],
    ['an unknown client', () => tokenBy(first, 'nobody'), 'ERR_CERT_SELF_SIGNED'],
    [
      'a client of the TPP that authenticates by the certificate of a CA',
      () => tokenBy(first, one().clients.tls_client_auth.client_id),
      'ERR_CERT_SELF_SIGNED',
    ],
    ['the certificate of a CA for it', () => tokenBy(one(), 'own'), 'ERR_CERT_SELF_SIGNED'],
    ['an expired certificate', () => tokenBy(expired, 'own'), 'ERR_CERT_EXPIRED'],
    ['a certificate of the future', () => tokenBy(coming, 'own'), 'ERR_CERT_NOT_YET_VALID'],
    [
      'an assertion of another client beside it',
      () =>
        tokenBy(first, 'own', {
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: 'e30.e30.e30',
        }),
      undefined,
    ],
  ])('is refused: %s', async (_case, answer, code) => {
    if (code !== undefined) return refusedAs(answer(), code);
    expect((await answer()).json.access_token).toBeUndefined();
  });

  it('stores nothing of a stranger, and cannot make or manage registrations', async () => {
    const { mtlsUrl } = sandbox.description;
    const register = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
    const by = (certificate: OwnCertificate | undefined) =>
      certificate === undefined ? {} : { certificate };
    await refusedAs(
      sandbox.send(`${mtlsUrl}/register`, { ...by(first), ...register }),
      'ERR_CERT_SELF_SIGNED',
    );
    await refusedAs(sandbox.send(`${mtlsUrl}/register/own`, by(first)), 'ERR_CERT_SELF_SIGNED');
  });

  it('has its certificates at an address too; a new one needs no waiting', async () => {
    const [before, after] = await Promise.all([selfSigned(folder), selfSigned(folder)]);
    served = [before];
    expect((await tokenBy(before, 'by-address')).status).toBe(200);
    served = [before, after];
    expect((await tokenBy(after, 'by-address')).status).toBe(200);
    expect((await tokenBy(before, 'by-address')).status).toBe(200);
    await refusedAs(tokenBy(stranger, 'by-address'), 'ERR_CERT_SELF_SIGNED');
  });
});

describe('the end of a self-signed certificate', () => {
  const blocks = (blocked: readonly object[]) => writeFile(blocksFile, JSON.stringify({ blocked }));
  beforeEach(async () => {
    await blocks([]);
    await sandbox.server.blockList.reload();
  });

  it('comes with a block of the certificate, and its tokens are refused too', async () => {
    const token = String((await tokenBy(ofOther, 'other')).json.access_token);
    const accounts = async () => {
      const headers = { authorization: `Bearer ${token}` };
      const by = ofOther === undefined ? {} : { certificate: ofOther };
      return (await sandbox.send(`${sandbox.description.resourceUrl}/accounts`, { ...by, headers })).status;
    };
    expect(await accounts()).toBe(200);
    const { issuer, serialNumber } = parseCertificate(ofOther?.der ?? Buffer.alloc(0));
    await blocks([{ issuer: formatName(issuer), serialNumber, reason: 'stolen', since: '2026-11-20' }]);
    await sandbox.server.blockList.reload();
    await refusedAs(tokenBy(ofOther, 'other'), 'ERR_CERT_BLOCKED');
    await expect.poll(accounts, { timeout: 5000 }).toBe(401);
    expect((await tokenBy(first, 'own')).status).toBe(200);
  });

  it('comes with a block of its TPP', async () => {
    const authorizationNumber = one().organizationIdentifier;
    await blocks([{ authorizationNumber, reason: 'fraud', since: '2026-11-20' }]);
    await sandbox.server.blockList.reload();
    await refusedAs(tokenBy(first, 'own'), 'ERR_TPP_BLOCKED');
  });

  it('comes when the registry withdraws the TPP (G7)', async () => {
    const own = await selfSigned(folder);
    const { organizationIdentifier: number } = two();
    await sandbox.server.clients.register(clientOf('of-two', number, [own]) as unknown as RegisteredClient);
    expect((await tokenBy(own, 'of-two')).status).toBe(200);
    const registry = join(sandbox.folder, 'registry.yaml');
    const before = await readFile(registry, 'utf8');
    await writeFile(registry, before.replace(new RegExp(`(${number}[^]*?status: )active`), '$1withdrawn'));
    const status = () => sandbox.server.registry.find(number)?.status;
    await expect.poll(status, { timeout: 5000 }).toBe('withdrawn');
    await refusedAs(tokenBy(own, 'of-two'), 'ERR_TPP_NOT_AUTHORIZED');
  });

  it('comes when the client removes it from its keys', async () => {
    const [before, after] = await Promise.all([selfSigned(folder), selfSigned(folder)]);
    const body = { ...GOOD, token_endpoint_auth_method: METHOD };
    const tpp = new RegisteringTpp(sandbox);
    const registered = await tpp.register({ ...body, jwks: { keys: [before.jwk] } });
    expect([registered.status, registered.json.token_endpoint_auth_method]).toEqual([201, METHOD]);
    const id = String(registered.json.client_id);
    expect((await tokenBy(before, id)).status).toBe(200);
    const changed = await tpp.manage('PUT', registered, {
      body: { ...changeable(registered), jwks: { keys: [after.jwk] } },
    });
    expect(changed.status).toBe(200);
    expect((await tokenBy(after, id)).status).toBe(200);
    await refusedAs(tokenBy(before, id), 'ERR_CERT_SELF_SIGNED');
  });
});

describe('the words about a self-signed certificate', () => {
  const check = (certificate: OwnCertificate | undefined, clientId?: string) =>
    sandbox.send(
      `${sandbox.description.mtlsUrl}/tpp/self-check${clientId === undefined ? '' : `?client_id=${clientId}`}`,
      certificate === undefined ? {} : { certificate },
    );

  it('are in discovery', async () => {
    const { json } = await sandbox.send(`${sandbox.description.issuer}/.well-known/openid-configuration`);
    expect(json.token_endpoint_auth_methods_supported).toContain(METHOD);
    expect(json.revocation_endpoint_auth_methods_supported).toContain(METHOD);
  });

  it('are in the self-check, for the client that is named: this client only', async () => {
    const { json } = await check(first, 'own');
    expect(json).toMatchObject({
      decision: 'accepted',
      clients: { usable: ['own'], ofAnotherSubject: [], notActive: [] },
    });
    expect(json.registration).toBeUndefined();
    const ofCa = await sandbox.send(`${sandbox.description.mtlsUrl}/tpp/self-check`, { certificate: one() });
    expect(ofCa.json.clients).toMatchObject({ ofAnotherSubject: expect.arrayContaining(['own']) });
  });

  it('are the same for an unknown client, another client and no client', async () => {
    const answers = await Promise.all([
      check(stranger, 'own'),
      check(stranger, 'nobody'),
      check(stranger),
      check(first, one().clients.tls_client_auth.client_id),
    ]);
    for (const { json } of answers) {
      expect(json).toMatchObject({ decision: 'refused', code: 'ERR_CERT_SELF_SIGNED' });
      expect(json.error_description).toBe(answers[0]?.json.error_description);
    }
  });
});

describe('a registration with a certificate in its keys', () => {
  const problemsOf = (more: object) =>
    (
      clientSchema.safeParse({ ...clientOf('a', 'PSDGB-FCA-123456', [first]), ...more }).error?.issues ?? []
    ).map(({ message }) => message);
  const key = (more: object) => ({ jwks: { keys: [{ ...first?.jwk, ...more }] } });

  it.each([
    ['no certificate', () => key({ x5c: undefined }), 'a certificate in x5c that is missing'],
    ['no key at all', () => ({ jwks: undefined }), 'or jwks_uri is required'],
    ['the certificate of another key', () => key({ x5c: second?.jwk.x5c }), 'is of another key (RFC 7517'],
    ['no certificate but text', () => key({ x5c: ['bm9uZQ=='] }), 'is no certificate'],
    ['a key for signatures only', () => key({ use: 'sig' }), 'or jwks_uri is required'],
    ['a subject beside it', () => ({ tls_client_auth_san_dns: 'a.example' }), 'is for tls_client_auth'],
    [
      'use tls of another method',
      () => ({ token_endpoint_auth_method: 'private_key_jwt' }),
      'with the use tls',
    ],
  ])('is refused with %s', (_case, more, message) => {
    expect(problemsOf(more())).toEqual([expect.stringContaining(message)]);
  });

  it('is accepted with a certificate of an algorithm that signs no assertion, for TLS alone', async () => {
    expect(problemsOf({})).toEqual([]);
    expect(problemsOf({ jwks: { keys: [first?.jwk, second?.jwk] } })).toEqual([]);
  });

  it('never uses the certificate as a key for signatures', () => {
    const client = registeredClient(clientSchema.parse(clientOf('a', 'PSDGB-FCA-123456', [first, second])));
    const profiles = profilesNamed(['fapi2-security'], ['certificate'], true);
    expect(clientMetadata(client, profiles).jwks).toBeUndefined();
    const { jwks } = JSON.parse(JSON.stringify(key({ x5c: undefined, use: 'sig', kid: 'signs' })));
    const [signing] = jwks.keys;
    const both = { ...client, jwks: { keys: [...(client.jwks?.keys ?? []), signing] } };
    expect(clientMetadata(both, profiles).jwks?.keys).toEqual([signing]);
  });
});

describe('a statement profile that does not allow self-signed certificates', () => {
  it('refuses one at the registration, and at a change', async () => {
    const strict = await startTestSandbox({
      amendConfiguration: (value) => ({
        ...value,
        trust: (value.trust as Entry[]).slice(0, 1).map((entry) => ({ ...entry, profile: 'own-ca' })),
        selfSignedCertificates: 'accept-registered',
        registration: { profiles: [{ profile: 'certificate' }] },
      }),
    });
    try {
      const tpp = new RegisteringTpp(strict);
      const own = { token_endpoint_auth_method: METHOD, jwks: { keys: [first?.jwk] } };
      const refused = { status: 400, json: { error: 'invalid_client_metadata' } };
      expect(await tpp.register({ ...GOOD, ...own })).toMatchObject(refused);
      const registered = await tpp.register();
      expect(registered.status).toBe(201);
      const body = { ...changeable(registered), ...own };
      expect(await tpp.manage('PUT', registered, { body })).toMatchObject(refused);
      expect((await tpp.token(registered.json.client_id)).status).toBe(200);
    } finally {
      await strict.stop();
    }
  });
});

describe('a server that accepts no self-signed certificates', () => {
  it('is every server without the setting: refused as untrusted, not in discovery, not registered', async () => {
    const plain = await startTestSandbox();
    try {
      const { issuer, mtlsUrl } = plain.description;
      const { json } = await plain.send(`${issuer}/.well-known/openid-configuration`);
      expect(json.token_endpoint_auth_methods_supported).toEqual(['tls_client_auth', 'private_key_jwt']);
      const client = clientOf('own', tppNamed(plain.description, 'money-one').organizationIdentifier, [
        first,
      ]);
      await expect(
        plain.server.clients.register(client as unknown as RegisteredClient),
      ).rejects.toMatchObject({ code: 'ERR_CLIENT_REGISTRATION' });
      const refused = await plain.send(`${mtlsUrl}/token`, {
        ...(first === undefined ? {} : { certificate: first }),
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'own', scope: 'accounts' }),
      });
      expect(String(refused.json.error_description)).toContain('ERR_CERT_UNTRUSTED');
    } finally {
      await plain.stop();
    }
  });
});
