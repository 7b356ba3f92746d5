import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importJWK, type JWK, SignJWT } from 'jose';
import { Agent, fetch } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chosenCombinations } from '../../conformance/combinations.ts';
import { type ServerUnderTest, startServerUnderTest } from '../../conformance/server-under-test.ts';

interface SuiteMembers {
  readonly client: { readonly jwks: { readonly keys: readonly JWK[] } };
  readonly directory: { readonly discoveryUrl: string; readonly apibase: string; readonly client_id: string };
  readonly mtls: { readonly cert: string; readonly key: string };
  readonly resource: { readonly consentUrl: string };
}

const suite = new URL('https://localhost:9443');
const CALLBACK = `${suite.origin}/test/a/t-brazil-dcr/callback`;
let folder: string;
let server: ServerUnderTest;
let members: SuiteMembers;
let agent: Agent;
let stranger: Agent;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-conformance-'));
  const combinations = chosenCombinations(['brazil-dcr']);
  const common = { keyAlgorithm: 'PS256', settings: {}, alias: 't', port: 0 } as const;
  server = await startServerUnderTest({ combinations, suite, folder, ...common });
  const [combination] = combinations;
  if (combination === undefined) throw new Error('there is no such combination');
  members = (await server.configurationOf(combination)) as unknown as SuiteMembers;
  const ca = await readFile(server.description.caFile, 'utf8');
  const { cert, key } = members.mtls;
  agent = new Agent({ connect: { ca, cert, key } });
  stranger = new Agent({ connect: { ca } });
});
afterAll(async () => {
  await Promise.all([agent.destroy(), stranger.destroy()]);
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

async function json(url: string, init: Parameters<typeof fetch>[1] = {}) {
  const answer = await fetch(url, { dispatcher: agent, ...init });
  return { status: answer.status, body: (await answer.json()) as Record<string, string> };
}

/** As the suite's modules get the software statement. */
async function statement(dispatcher = agent): Promise<string> {
  const { discoveryUrl, apibase, client_id: id } = members.directory;
  const { body: metadata } = await json(discoveryUrl);
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: id,
    scope: 'directory:software',
  });
  const asked = await fetch(String(metadata.token_endpoint), { method: 'POST', body: form, dispatcher });
  const text = await asked.text();
  if (asked.status !== 200) return String(asked.status);
  const url = `${apibase}organisations/74e929d9-33b6-4d85-8ba7-c146c867a817/softwarestatements/${id}/assertion`;
  const { access_token: token } = JSON.parse(text) as { readonly access_token: string };
  const headers = { authorization: `Bearer ${token}`, accept: 'application/jwt' };
  return (await fetch(url, { headers, dispatcher })).text();
}

describe('the server under test of Brazil’s registration', () => {
  it('has a directory that gives a statement to the holder of the certificate only', async () => {
    expect(await statement(stranger)).toBe('401');
    expect((await statement()).split('.')).toHaveLength(3);
  });

  it('registers the software as the suite asks, and by one statement once', async () => {
    const software = await statement();
    const registered = await register(software);
    expect([registered.status, registered.body]).toMatchObject([
      201,
      {
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        response_types: ['code id_token'],
        scope: 'openid accounts payments consents',
        id_token_encrypted_response_alg: 'RSA-OAEP-256',
        jwks_uri: jwksUriOf(software),
      },
    ]);
    expect((await register(software)).body.error).toBe('unapproved_software_statement');
  });

  it('stages, shows and ends a consent of Open Finance Brasil for the registered client', async () => {
    const { body: client } = await register(await statement());
    const headers = { authorization: `Bearer ${await tokenOf(String(client.client_id))}` };
    const { consentUrl } = members.resource;
    const data = {
      loggedUser: { document: { identification: '76109277673', rel: 'CPF' } },
      permissions: ['ACCOUNTS_READ', 'ACCOUNTS_BALANCES_READ', 'LOANS_READ'],
      expirationDateTime: `${new Date(Date.now() + 3_600_000).toISOString().slice(0, 19)}Z`,
    };
    const post = (more: object, as: Record<string, string> = headers) =>
      json(consentUrl, {
        method: 'POST',
        headers: { ...as, 'content-type': 'application/json' },
        body: JSON.stringify({ data: { ...data, ...more } }),
      });
    const staged = await post({});
    const facts = staged.body.data as unknown as Record<string, string>;
    expect([staged.status, facts]).toMatchObject([
      201,
      {
        consentId: expect.stringMatching(/^urn:/),
        status: 'AWAITING_AUTHORISATION',
        // This bank has no loans.
        permissions: ['ACCOUNTS_READ', 'ACCOUNTS_BALANCES_READ'],
        expirationDateTime: data.expirationDateTime,
      },
    ]);
    const own = `${consentUrl}/${facts.consentId}`;
    const statusAt = async () => ((await json(own, { headers })).body.data as unknown as typeof facts).status;
    expect(await statusAt()).toBe('AWAITING_AUTHORISATION');
    expect((await fetch(own, { method: 'DELETE', headers, dispatcher: agent })).status).toBe(204);
    expect(await statusAt()).toBe('REJECTED');

    expect((await post({ permissions: ['LOANS_READ'] })).status).toBe(422);
    expect((await post({ expirationDateTime: '2020-01-01T00:00:00Z' })).status).toBe(422);
    expect((await post({ loggedUser: undefined })).status).toBe(422);
    expect((await post({}, {})).status).toBe(401);
    expect((await json(`${consentUrl}/urn:demobank:unknown`, { headers })).status).toBe(404);
    const { body: other } = await register(await statement());
    const foreign = { authorization: `Bearer ${await tokenOf(String(other.client_id))}` };
    expect((await json(own, { headers: foreign })).status).toBe(404);
  });
});

function jwksUriOf(software: string): string {
  return JSON.parse(Buffer.from(software.split('.')[1] ?? '', 'base64url').toString()).software_jwks_uri;
}

const metadataOf = async () =>
  (await json(`${server.description.issuer}/.well-known/openid-configuration`)).body as unknown as {
    readonly issuer: string;
    readonly registration_endpoint: string;
    readonly mtls_endpoint_aliases: { readonly token_endpoint: string };
  };

async function register(software: string) {
  const registration = {
    grant_types: ['authorization_code', 'implicit', 'refresh_token', 'client_credentials'],
    jwks_uri: jwksUriOf(software),
    token_endpoint_auth_method: 'private_key_jwt',
    response_types: ['code id_token'],
    redirect_uris: [CALLBACK],
    software_statement: software,
  };
  return json((await metadataOf()).registration_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(registration),
  });
}

/** A token of the TPP alone, for consents. */
async function tokenOf(clientId: string): Promise<string> {
  const [key] = members.client.jwks.keys;
  if (key === undefined) throw new Error('the suite has no key');
  const { issuer, mtls_endpoint_aliases: aliases } = await metadataOf();
  const assertion = await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'PS256', kid: String(key.kid) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(issuer)
    .setIssuedAt()
    .setExpirationTime('60s')
    .sign(await importJWK(key, 'PS256'));
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    scope: 'consents',
    client_id: clientId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  });
  const { status, body } = await json(aliases.token_endpoint, { method: 'POST', body: form });
  expect(status).toBe(200);
  return String(body.access_token);
}
