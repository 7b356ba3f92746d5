import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import Koa from 'koa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CODES, OpenBankingError } from '../../../src/errors.ts';
import {
  type AcceptedTokens,
  ResourceMetadata,
  type ResourceMetadataOptions,
} from '../../../src/resource-server/decision/resource-metadata.ts';
import {
  type AuthorizerOptions,
  createAuthorizer,
  createGateway,
  createProtection,
  expressProtection,
  expressResourceMetadata,
  fastifyProtection,
  fastifyResourceMetadata,
  koaProtection,
  koaResourceMetadata,
  nodeProtection,
  nodeResourceMetadata,
  type Protection,
  refusalAnswer,
} from '../../../src/resource-server/index.ts';
import { anyDetails } from '../../any-details.ts';
import { ISSUER } from '../issuer.ts';

const AUDIENCE = 'https://api.bank.example/open-banking';
const PATH = '/.well-known/oauth-protected-resource/open-banking';
const URL_OF_METADATA = `https://api.bank.example${PATH}`;
const NEEDED = { scopes: ['accounts'], roles: ['PSP_AI'] } as const;
const ALGORITHMS = ['ES256', 'PS256', 'EdDSA', 'Ed25519'];
const DEFAULTS: AcceptedTokens = {
  issuer: ISSUER,
  audience: AUDIENCE,
  senderConstraints: ['certificate', 'certificate-and-dpop'],
  isDpopVerified: true,
};
const documentOf = (accepted: Partial<AcceptedTokens> = {}, options: ResourceMetadataOptions = {}) => {
  const metadata = new ResourceMetadata({ ...DEFAULTS, ...accepted }, options);
  return JSON.parse(metadata.answerTo({ method: 'GET', url: metadata.path })?.body ?? '');
};

describe('the metadata of a protected resource (RFC 9728)', () => {
  it.each([
    ['https://resource.example.com', 'https://resource.example.com/.well-known/oauth-protected-resource'],
    ['https://resource.example.com/', 'https://resource.example.com/.well-known/oauth-protected-resource'],
    [
      'https://resource.example.com/resource1',
      'https://resource.example.com/.well-known/oauth-protected-resource/resource1',
    ],
    [
      'https://api.bank.example:8443/a/b/',
      'https://api.bank.example:8443/.well-known/oauth-protected-resource/a/b/',
    ],
  ])('of %s are at %s (§3.1)', (audience, url) => {
    expect(new ResourceMetadata({ ...DEFAULTS, audience }, {}).url).toBe(url);
    expect(documentOf({ audience }).resource).toBe(audience);
  });

  it.each([
    'urn:bank:api',
    'http://api.bank.example',
    'https://a.example/?x=1',
    'https://a.example/#x',
    'https://u@a.example',
  ])('cannot be published for the audience %s', (audience) => {
    expect(() => new ResourceMetadata({ ...DEFAULTS, audience }, {})).toThrow(TypeError);
  });

  it('say which tokens of which server are accepted, and nothing that is not known (§2)', () => {
    expect(documentOf()).toEqual({
      resource: AUDIENCE,
      authorization_servers: [ISSUER],
      bearer_methods_supported: ['header'],
      tls_client_certificate_bound_access_tokens: true,
      dpop_signing_alg_values_supported: ALGORITHMS,
      dpop_bound_access_tokens_required: false,
    });
    const options = {
      scopes: ['accounts'],
      name: 'Accounts',
      documentation: 'https://bank.example/docs',
      policy: 'https://bank.example/policy',
      termsOfService: 'https://bank.example/terms',
      signatures: { jwksUri: 'https://api.bank.example/jwks', algorithms: ['ES256'] },
    };
    expect(documentOf({}, options)).toMatchObject({
      scopes_supported: ['accounts'],
      resource_name: 'Accounts',
      resource_documentation: 'https://bank.example/docs',
      resource_policy_uri: 'https://bank.example/policy',
      resource_tos_uri: 'https://bank.example/terms',
      jwks_uri: 'https://api.bank.example/jwks',
      resource_signing_alg_values_supported: ['ES256'],
    });
    expect(() => documentOf({}, { documentation: 'javascript:alert(1)' })).toThrow(TypeError);
  });

  it.each([
    [['certificate'], true, undefined, false],
    [['certificate-and-dpop'], true, ALGORITHMS, true],
    [['dpop'], false, ALGORITHMS, true],
    [['certificate', 'dpop'], true, ALGORITHMS, false],
  ] as const)('tell the truth about %j', (senderConstraints, tls, algorithms, isRequired) => {
    const document = documentOf({ senderConstraints });
    expect(document.tls_client_certificate_bound_access_tokens).toBe(tls);
    expect(document.dpop_signing_alg_values_supported).toEqual(algorithms);
    expect(document.dpop_bound_access_tokens_required).toBe(isRequired);
  });

  it('have an address in each challenge, of whatever refusal and scheme (§5.1)', () => {
    for (const code of ERROR_CODES) {
      for (const scheme of ['Bearer', 'DPoP'] as const) {
        const facts = { scheme, schemes: ['Bearer', 'DPoP'], metadataUrl: URL_OF_METADATA } as const;
        const challenge = refusalAnswer(new OpenBankingError(code, anyDetails), ['accounts'], facts).headers[
          'www-authenticate'
        ];
        if (challenge !== undefined) expect(challenge).toContain(`resource_metadata="${URL_OF_METADATA}"`);
      }
    }
    const bare = refusalAnswer(new OpenBankingError('ERR_TOKEN_MISSING', {}), [], {
      schemes: ['Bearer', 'DPoP'],
      metadataUrl: URL_OF_METADATA,
    });
    expect(bare.headers['www-authenticate']).toBe(
      `Bearer resource_metadata="${URL_OF_METADATA}", ` +
        `DPoP algs="${ALGORITHMS.join(' ')}", resource_metadata="${URL_OF_METADATA}"`,
    );
  });
});

const protectionOf = (options: Partial<AuthorizerOptions> = {}) =>
  createProtection({
    authorizer: createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: { keys: [] },
      status: false,
      ...options,
    }),
    clientCertificate: { from: 'proxy', format: 'nginx', trustedProxies: ['127.0.0.1'] },
    resourceMetadata: { scopes: ['accounts'] },
  });

const GLUES: Readonly<Record<string, (protection: Protection) => Promise<RequestListener>>> = {
  koa: async (protection) => {
    const app = new Koa();
    app.use(koaResourceMetadata(protection));
    app.use(koaProtection(protection, NEEDED));
    return app.callback();
  },
  express: async (protection) => {
    const app = express();
    app.use(expressResourceMetadata(protection));
    app.use('/open-banking', expressProtection(protection, NEEDED));
    return app;
  },
  fastify: async (protection) => {
    const app = fastify();
    app.addHook('onRequest', fastifyResourceMetadata(protection));
    app.get('/open-banking/x', { onRequest: fastifyProtection(protection, NEEDED) }, async () => '');
    await app.ready();
    return (request, response) => app.routing(request, response);
  },
  node: async (protection) =>
    nodeResourceMetadata(
      protection,
      nodeProtection(protection, NEEDED, () => {}),
    ),
  nginx: async (protection) =>
    createGateway({ protection, proxy: 'nginx', routes: [{ path: '/x', ...NEEDED }] }),
  envoy: async (protection) =>
    createGateway({
      protection,
      proxy: 'envoy',
      pathPrefix: '/ask',
      routes: [{ path: '/open-banking/x', ...NEEDED }],
    }),
};

describe.each(Object.keys(GLUES))('the metadata that %s serves', (name) => {
  let url: string;
  let server: ReturnType<typeof createServer>;
  beforeAll(async () => {
    server = createServer(await GLUES[name]?.(protectionOf()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('are JSON for everyone who asks, and can only be read', async () => {
    for (const target of [PATH, `${PATH}?x=1`]) {
      const answer = await fetch(url + target);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([
        200,
        expect.stringMatching(/^application\/json/),
      ]);
      expect(await answer.json()).toMatchObject({ resource: AUDIENCE, authorization_servers: [ISSUER] });
    }
    const head = await fetch(url + PATH, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    const post = await fetch(url + PATH, { method: 'POST', body: 'x' });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('are named by the challenge, whatever Host a request has', async () => {
    const [target, headers]: [string, Record<string, string>] =
      name === 'nginx'
        ? ['/authorize', { 'x-original-method': 'GET', 'x-original-uri': '/x' }]
        : [name === 'envoy' ? '/ask/open-banking/x' : '/open-banking/x', {}];
    const answer = await fetch(url + target, {
      headers: { ...headers, 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' },
    });
    expect(answer.status).toBe(401);
    const challenge = answer.headers.get('www-authenticate') ?? '';
    expect(challenge).toContain(`resource_metadata="${URL_OF_METADATA}"`);
    expect(challenge).not.toMatch(/evil|127\.0\.0\.1/);
    const elsewhere = await fetch(`${url}/.well-known/oauth-protected-resource`);
    expect(elsewhere.status).not.toBe(200);
  });
});

describe('a protection without metadata', () => {
  it('has none to mount, and Envoy needs a prefix to tell its questions apart', () => {
    const authorizer = createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: { keys: [] },
      status: false,
    });
    const none = createProtection({ authorizer, clientCertificate: { from: 'socket' } });
    for (const mount of [koaResourceMetadata, expressResourceMetadata, fastifyResourceMetadata]) {
      expect(() => mount(none)).toThrow(TypeError);
    }
    expect(() => nodeResourceMetadata(none, () => {})).toThrow(TypeError);
    const routes = [{ path: '/x', ...NEEDED }];
    for (const pathPrefix of [undefined, '', '/', '/.well-known']) {
      expect(() => createGateway({ protection: protectionOf(), proxy: 'envoy', routes, pathPrefix })).toThrow(
        TypeError,
      );
    }
  });
});
