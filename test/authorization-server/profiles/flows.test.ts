import { createHash } from 'node:crypto';
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';
import * as oauth from 'openid-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { authorize, type RequestForm } from '../../../src/sandbox/demo/authorization-request.ts';
import type { CustomerAnswer } from '../../../src/sandbox/demo/demo-browser.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { clientNamed } from '../../../src/sandbox/sandbox-clients.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

const METHODS = ['mtls', 'jwt'] as const;
const CANCEL: CustomerAnswer = { decision: 'cancel' };

let sandbox: TestSandbox;
const open: DemoTpp[] = [];
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterEach(() => Promise.all(open.splice(0).map((tpp) => tpp.close())));
afterAll(() => sandbox.stop());

/** A client of money-one by the end of its identifier, as openid-client. */
async function connect(suffix: string): Promise<DemoTpp> {
  const { description } = sandbox;
  const tpp = tppNamed(description, 'money-one');
  const connected = await connectTpp({ description, tpp, client: clientNamed(tpp, suffix) });
  open.push(connected);
  return connected;
}

function allow(): CustomerAnswer {
  const [customer] = sandbox.description.customers;
  if (customer === undefined) throw new Error('no customer');
  return { decision: 'allow', ...customer };
}

const ask = (
  tpp: DemoTpp,
  form: RequestForm,
  more: { readonly parameters?: Record<string, string>; readonly answer?: CustomerAnswer } = {},
) => authorize(tpp, { caFile: sandbox.description.caFile, answer: allow(), form, ...more });

/** The claims of a response that is a JWT (JARM §4.3), by the published keys. */
async function responseOf(callback: URL, tpp: DemoTpp): Promise<JWTPayload> {
  const parameters = new URLSearchParams(callback.search || callback.hash.slice(1));
  expect([...parameters.keys()]).toEqual(['response']);
  const { json } = await sandbox.send(`${sandbox.description.issuer}/jwks`);
  const { payload: claims } = await jwtVerify(
    parameters.get('response') ?? '',
    createLocalJWKSet(json as unknown as JSONWebKeySet),
    { issuer: sandbox.description.issuer, audience: tpp.config.clientMetadata().client_id },
  );
  const ahead = (claims.exp ?? 0) - Date.now() / 1000;
  expect(ahead).toBeGreaterThan(10);
  expect(ahead).toBeLessThan(600);
  return claims;
}

const hashOf = (text: string) =>
  createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');

describe('FAPI 2.0 Message Signing, with openid-client', () => {
  it.each(METHODS)('signed request, signed response, token, API: %s', async (method) => {
    const tpp = await connect(`${method}-signing`);
    oauth.useJwtResponseMode(tpp.config);
    const { redeem } = await ask(tpp, 'pushed-signed');
    const tokens = await redeem();
    expect(tokens.claims()).toMatchObject({ sub: 'psu-6f1c2a', auth_time: expect.any(Number) });
    expect((await tpp.call('/accounts', tokens.access_token)).status).toBe(200);
  });

  it.each([
    ['jwt', 'search'],
    ['query.jwt', 'search'],
    ['fragment.jwt', 'hash'],
  ] as const)('response_mode %s answers in the %s (JARM §2.3)', async (mode, place) => {
    const tpp = await connect('mtls-signing');
    const { callback } = await ask(tpp, 'pushed-signed', { parameters: { response_mode: mode } });
    expect(callback[place]).toContain('response=');
    expect((await responseOf(callback, tpp)).code).toBeTypeOf('string');
  });

  it('the refusal of the customer is signed too, and holds no code', async () => {
    const tpp = await connect('mtls-signing');
    const parameters = { response_mode: 'jwt' };
    const { callback } = await ask(tpp, 'pushed-signed', { parameters, answer: CANCEL });
    const response = await responseOf(callback, tpp);
    expect([response.error, response.code]).toEqual(['access_denied', undefined]);
  });

  it('the refusal of a request_uri that has ended is signed, whatever stands beside it', async () => {
    const tpp = await connect('mtls-signing');
    const { client_id, redirect_uris = [] } = clientNamed(
      tppNamed(sandbox.description, 'money-one'),
      'mtls-signing',
    );
    const [redirect_uri = ''] = redirect_uris;
    const query = new URLSearchParams({
      client_id,
      redirect_uri,
      request_uri: 'urn:ietf:params:oauth:request_uri:ended',
      response_type: 'code',
    });
    const { headers } = await sandbox.send(`${sandbox.description.issuer}/authorize?${query}`);
    const response = await responseOf(new URL(headers.get('location') ?? ''), tpp);
    expect(response.error).toBe('invalid_request_uri');
  });
});

describe('FAPI 1.0 Advanced, with openid-client', () => {
  it.each(
    METHODS.flatMap((method) =>
      (['signed', 'pushed-signed'] as const).map((form) => [method, form] as const),
    ),
  )('hybrid response with its detached signature: %s, %s', async (method, form) => {
    const tpp = await connect(`${method}-fapi1`);
    oauth.useCodeIdTokenResponseType(tpp.config);
    oauth.enableDetachedSignatureResponseChecks(tpp.config);
    const { callback, redeem } = await ask(tpp, form);
    expect(callback.search).toBe('');
    const answer = new URLSearchParams(callback.hash.slice(1));
    const first = decodeJwt(answer.get('id_token') ?? '');
    expect(first).toMatchObject({
      c_hash: hashOf(answer.get('code') ?? ''),
      s_hash: hashOf(answer.get('state') ?? ''),
      nonce: expect.any(String),
      auth_time: expect.any(Number),
      aud: `money-one-${method}-fapi1`,
    });
    const tokens = await redeem();
    expect(tokens.claims()).toMatchObject({ sub: first.sub, nonce: first.nonce, auth_time: first.auth_time });
    expect((await tpp.call('/accounts', tokens.access_token)).status).toBe(200);
  });

  it('code with a signed response (§5.2.2 no. 2)', async () => {
    const tpp = await connect('jwt-fapi1');
    oauth.useJwtResponseMode(tpp.config);
    const tokens = await (await ask(tpp, 'signed')).redeem();
    expect((await tpp.call('/accounts', tokens.access_token)).status).toBe(200);
  });

  it('the refusal of the customer comes in the fragment, without code and ID token', async () => {
    const tpp = await connect('mtls-fapi1');
    oauth.useCodeIdTokenResponseType(tpp.config);
    const { callback } = await ask(tpp, 'signed', { answer: CANCEL });
    const answer = Object.fromEntries(new URLSearchParams(callback.hash.slice(1)));
    expect(Object.keys(answer).sort()).toEqual(['error', 'error_description', 'iss', 'state']);
    expect([callback.search, answer.error]).toEqual(['', 'access_denied']);
  });
});

describe('a client that registered an algorithm for introspection (RFC 9701 §6)', () => {
  it.each(['application/json', 'application/token-introspection+jwt', undefined])(
    'gets signed answers whatever it accepts: %s',
    async (accept) => {
      const clientId = `introspects-${accept ?? 'anything'}`;
      const tpp = tppNamed(sandbox.description, 'money-one');
      await sandbox.server.clients.register({
        client_id: clientId,
        client_name: clientId,
        authorization_number: tpp.organizationIdentifier,
        token_endpoint_auth_method: 'tls_client_auth',
        redirect_uris: [],
        grant_types: ['client_credentials'],
        scope: 'accounts',
        introspection_signed_response_alg: 'PS256',
      });
      const answer = await sandbox.send(`${sandbox.description.mtlsUrl}/introspect`, {
        method: 'POST',
        certificate: tpp,
        ...(accept === undefined ? {} : { headers: { accept } }),
        body: new URLSearchParams({ client_id: clientId, token: 'x'.repeat(43) }),
      });
      expect(answer.headers.get('content-type')).toContain('application/token-introspection+jwt');
      const claims = decodeJwt(answer.text);
      expect(claims).toMatchObject({
        iss: sandbox.description.issuer,
        aud: clientId,
        token_introspection: { active: false },
      });
      expect([claims.sub, claims.exp]).toEqual([undefined, undefined]);
    },
  );
});
