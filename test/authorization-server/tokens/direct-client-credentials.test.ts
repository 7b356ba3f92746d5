import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomUUID, X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  type GenerateKeyPairResult,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
} from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificateSubjectMatches } from '../../../src/authorization-server/clients/client-authentication.ts';
import {
  clientMetadata,
  EXTRA_CLIENT_METADATA,
} from '../../../src/authorization-server/clients/client-metadata.ts';
import { PROFILES } from '../../../src/authorization-server/profiles/profiles.ts';
import type { RegisteredClient } from '../../../src/authorization-server/clients/registered-client.ts';
import { directClientCredentials } from '../../../src/authorization-server/tokens/direct/direct-client-credentials.ts';
import { Provider } from '../../../src/authorization-server/provider-internals.ts';
import { createSigningKeys } from '../../../src/authorization-server/signing/kept-keys.ts';
import { issue } from '../../x509/certificate-factory.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

const FORM = 'application/x-www-form-urlencoded';
const PLAIN = 'grant_type=client_credentials&client_id=money-one-mtls&scope=accounts';

interface Sent {
  readonly headers?: Record<string, string>;
  /** Parts that are written one after the other; the length is told unless `transfer-encoding` is. */
  readonly parts: readonly string[];
}

/** Sends a form as it is told to, which fetch would not. */
async function send(port: number, { headers = {}, parts }: Sent) {
  const length =
    headers['transfer-encoding'] === undefined ? { 'content-length': parts.join('').length } : {};
  const outgoing = request({
    host: '127.0.0.1',
    port,
    method: 'POST',
    path: '/token',
    headers: { 'content-type': FORM, ...length, ...headers },
  });
  for (const [at, part] of parts.entries()) {
    if (at > 0) await sleep(50);
    outgoing.write(part);
  }
  outgoing.end();
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, headers: response.headers, json: JSON.parse(text) };
}

describe('the short way of client_credentials', () => {
  let server: Server;
  let passedOn = 0;
  let keys: GenerateKeyPairResult;
  let answerOf: (sent: Sent) => Promise<{ status: number; json: Record<string, unknown>; isDirect: boolean }>;

  beforeAll(async () => {
    const certificate = new X509Certificate(issue('end entity', 'tpp').der);
    keys = await generateKeyPair('ES256');
    const provider = new Provider('https://bank.example', {
      jwks: { keys: [...(await createSigningKeys()).keys] } as never,
      clients: [
        client('money-one-mtls'),
        client('no-credentials', {
          grant_types: ['authorization_code'],
          redirect_uris: ['https://tpp.example/'],
        }),
        client('money-two-mtls', { authorization_number: 'PSDGB-FCA-2' }),
        client('money-one-jwt', {
          token_endpoint_auth_method: 'private_key_jwt',
          jwks: { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'own', use: 'sig', alg: 'ES256' }] },
        }),
      ],
      clientAuthMethods: ['tls_client_auth', 'private_key_jwt'],
      enabledJWA: { clientAuthSigningAlgValues: ['ES256'] },
      clientDefaults: { id_token_signed_response_alg: 'ES256' },
      extraClientMetadata: { properties: [...EXTRA_CLIENT_METADATA] },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: async () => [],
          getResourceServerInfo: () => ({ scope: 'accounts payments', audience: 'https://api.bank.example' }),
        },
        mTLS: {
          enabled: true,
          tlsClientAuth: true,
          certificateBoundAccessTokens: true,
          getCertificate: () => certificate,
          certificateAuthorized: () => true,
          certificateSubjectMatches,
        },
      },
    });
    provider.use(async (ctx, next) => {
      // As the gate does; until then node has not read the body.
      await Promise.resolve();
      ctx.state.tpp = { authorizationNumber: 'PSDGB-FCA-1', nca: { id: 'GB-FCA' } };
      await next();
    });
    provider.use(
      directClientCredentials(provider, {
        issue: async (_ctx, { scope }) => ({
          access_token: 'x',
          expires_in: 60,
          scope,
          token_type: 'Bearer',
        }),
      }),
    );
    provider.use((_ctx, next) => {
      passedOn += 1;
      return next();
    });
    server = createServer(provider.callback()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    answerOf = async (sent) => {
      const before = passedOn;
      const { status, json } = await send(port, sent);
      return { status, json, isDirect: passedOn === before };
    };
  });
  afterAll(() => server.close());

  it.each([
    ['as it is sent nearly always', {}, PLAIN],
    ['with the encoding told', { 'content-type': `${FORM};charset=UTF-8` }, PLAIN],
    [
      'in another order, with several scopes',
      {},
      'scope=accounts+payments&client_id=money-one-mtls&grant_type=client_credentials',
    ],
    ['with a resource', {}, `${PLAIN}&resource=https%3A%2F%2Fapi.bank.example`],
  ])('is taken by a request %s', async (_title, headers, body) => {
    const answer = await answerOf({ headers, parts: [body] });
    expect(answer).toMatchObject({ status: 200, isDirect: true, json: { token_type: 'Bearer' } });
  });

  it.each(['&client_id=money-one-jwt', ''])('is taken by a request with an assertion%s', async (named) => {
    const assertion = await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: 'own' })
      .setIssuer('money-one-jwt')
      .setSubject('money-one-jwt')
      .setAudience('https://bank.example')
      .setExpirationTime('1m')
      .sign(keys.privateKey);
    const type = encodeURIComponent('urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    const body = `grant_type=client_credentials&scope=accounts&client_assertion=${assertion}&client_assertion_type=${type}${named}`;
    expect(await answerOf({ parts: [body] })).toMatchObject({ status: 200, isDirect: true });
    // A replay is for the provider to refuse.
    expect(await answerOf({ parts: [body] })).toMatchObject({ status: 401, isDirect: false });
  });

  it.each([
    ['in two pieces', {}, [PLAIN.slice(0, 20), PLAIN.slice(20)], 200],
    ['in chunks', { 'transfer-encoding': 'chunked' }, [PLAIN], 200],
    ['of more than 4 kB', {}, [PLAIN + '+accounts'.repeat(500)], 200],
    ['with a longer value than the form may have', {}, [PLAIN + '+accounts'.repeat(250)], 200],
    ['with an empty resource', {}, [`${PLAIN}&resource=`], 200],
    ['with two resources', {}, [`${PLAIN}&resource=https://a.example&resource=https://b.example`], 400],
    ['with an assertion that is none', {}, [`${PLAIN}&client_assertion=x&client_assertion_type=x`], 400],
    ['with a parameter more', {}, [`${PLAIN}&x=1`], 200],
    ['without a scope', {}, ['grant_type=client_credentials&client_id=money-one-mtls'], 200],
    ['with a scope of two spaces', {}, [`${PLAIN}++payments`], 400],
    ['with a parameter twice', {}, [`${PLAIN}&scope=payments`], 400],
    ['with nothing', {}, [''], 400],
    ['as JSON', { 'content-type': 'application/json' }, ['{}'], 400],
    ['with a password', { authorization: 'Basic bW9uZXktb25lLW10bHM6eA==' }, [PLAIN], 401],
    ['with an attestation', { 'oauth-client-attestation': 'x' }, [PLAIN], 400],
    ['with a proof of an attestation', { 'oauth-client-attestation-pop': 'x' }, [PLAIN], 400],
    ['from a page of another origin', { origin: 'https://evil.example' }, [PLAIN], 400],
    ['of another grant', {}, [PLAIN.replace('client_credentials', 'authorization_code')], 400],
    ['of a client without this grant', {}, [PLAIN.replace('money-one-mtls', 'no-credentials')], 400],
    ['of a client that nobody knows', {}, [PLAIN.replace('money-one-mtls', 'nobody')], 401],
    ["of another TPP's client", {}, [PLAIN.replace('money-one', 'money-two')], 401],
  ])('leaves a request %s to the provider, with its body unread', async (_title, headers, parts, status) => {
    expect(await answerOf({ headers, parts })).toMatchObject({ status, isDirect: false });
  });

  function client(id: string, more: Partial<RegisteredClient> = {}) {
    return clientMetadata(
      {
        client_id: id,
        client_name: id,
        token_endpoint_auth_method: 'tls_client_auth',
        authorization_number: 'PSDGB-FCA-1',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        scope: 'accounts payments',
        ...more,
      },
      PROFILES,
    );
  }
});

describe('a token of the short way', () => {
  let sandbox: TestSandbox;
  beforeAll(async () => {
    sandbox = await startTestSandbox();
  });
  afterAll(() => sandbox.stop());

  const credentials = { grant_type: 'client_credentials', client_id: 'money-one-mtls', scope: 'accounts' };
  /** All that a request leads to, but for what is new each time. */
  const outcomeOf = async (tpp: string, { resource, ...form }: Record<string, string>) => {
    const { status, headers, json } = await sandbox.post(tpp, '/token', {
      ...form,
      ...(resource === undefined
        ? {}
        : { resource: resource.replace('THE API', sandbox.description.resourceUrl) }),
    });
    const requestId = headers.get('x-request-id');
    const events = await sandbox.events({ requestId });
    const { access_token: token, ...answer } = json;
    return {
      status,
      answer,
      headers: [...headers].filter(([name]) => !['date', 'x-request-id', 'content-length'].includes(name)),
      claims: typeof token === 'string' ? withoutOwn(decodeJwt(token)) : undefined,
      header: typeof token === 'string' ? decodeProtectedHeader(token) : undefined,
      events: events.map(({ requestId: _id, time: _time, ...event }) => event),
    };
  };
  const withoutOwn = ({ jti, iat, exp, status, ...claims }: JWTPayload) => ({
    ...claims,
    isNamed: typeof jti,
    lives: Number(exp) - Number(iat),
    list: Object.keys((status as { readonly status_list: object }).status_list),
  });

  it.each([
    ['a token', 'money-one', credentials, 200],
    ['a token of several scopes', 'money-one', { ...credentials, scope: 'accounts payments' }, 200],
    ['a scope twice', 'money-one', { ...credentials, scope: 'accounts accounts' }, 200],
    ['a resource', 'money-one', { ...credentials, resource: 'THE API' }, 200],
    ['another resource', 'money-one', { ...credentials, resource: 'https://other.example/' }, 400],
    ['a scope that nobody knows', 'money-one', { ...credentials, scope: 'everything' }, 400],
    [
      'a role that is missing',
      'accounts-app',
      { ...credentials, client_id: 'accounts-app-mtls', scope: 'payments' },
      400,
    ],
    ["another TPP's client", 'money-two', credentials, 400],
    ['a client that nobody knows', 'money-one', { ...credentials, client_id: 'nobody' }, 400],
    ['a client that must sign', 'money-one', { ...credentials, client_id: 'money-one-jwt' }, 400],
  ])('and of the long way are the same, with their log events: %s', async (_title, tpp, form, status) => {
    const short = await outcomeOf(tpp, form);
    // The provider does not know the parameter, and so ignores it.
    const long = await outcomeOf(tpp, { ...form, unknown: 'x' });
    expect(short.status).toBe(status);
    expect(short.events).toHaveLength(1);
    expect(short).toEqual(long);
  });
});
