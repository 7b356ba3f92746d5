import { createHash, generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AUDIENCE } from '../../resource-server/issuer.ts';
import { FORWARDERS } from '../forwarders.ts';
import { type GuardedApi, type GuardName, startGuardedApi } from './guarded-api.ts';
import { absence, isInstalled } from './real-proxy.ts';
import { thumbprintOf } from '../thumbprint.ts';

const REFUSALS = [400, 404, 405, 501];
/** What each proxy answers when it cannot ask. */
const UNDECIDED: Readonly<Record<GuardName, number>> = { nginx: 502, envoy: 503 };

describe.each((['nginx', 'envoy'] as const).map((name) => [`${name}${absence(name)}`, name] as const))(
  'an API in any language behind %s and the gateway',
  (_title, name) => {
    const test = it.skipIf(!isInstalled(name));
    let guarded: GuardedApi;
    let certificates: GuardedApi['certificates'];

    beforeAll(async () => {
      guarded = await startGuardedApi(name);
      certificates = guarded.certificates;
    });
    afterAll(() => guarded?.close());

    test('reaches the API with the right certificate, with the proof in headers and FAPI’s on the answer', async () => {
      const id = 'c770aef3-6784-41f7-8e0e-ff5f97bddb3a';
      const answer = await guarded.call('/accounts/1?a=b', {
        certificate: certificates.one,
        fields: [
          `x-fapi-interaction-id: ${id}`,
          'X-Tallystick-Client-Id: admin',
          'X-Tallystick-Authorization-Number: admin',
        ],
      });
      expect([answer.status, answer.reached.map(({ url }) => url)]).toEqual([200, ['/accounts/1?a=b']]);
      expect(answer.body).toContain('from the API');
      const { headers, reached } = answer;
      const seen = Object.entries(reached[0]?.headers ?? {}).filter(([, value]) => value !== '');
      expect([headers['x-fapi-interaction-id'], headers['cache-control']]).toEqual([id, 'no-store']);
      expect(headers.date).toBeDefined();
      expect(answer.text.match(/x-fapi-interaction-id/g)).toHaveLength(1);
      expect(Object.fromEntries(seen.filter(([field]) => field.includes('tallystick')))).toEqual({
        'x-tallystick-certificate': thumbprintOf(certificates.one.der),
        'x-tallystick-client-id': 'acme',
        'x-tallystick-consent-id': 'consent-1',
        'x-tallystick-expires-at': expect.stringMatching(/^\d{4}-/),
        'x-tallystick-roles': 'PSP_AI PSP_PI',
        'x-tallystick-scopes': 'accounts payments',
        'x-tallystick-subject': 'psu-1',
      });
    });

    test.each([
      ['another certificate', { target: '/accounts', by: 'two' }, 401, 'ERR_TOKEN_BINDING'],
      ['no certificate', { target: '/accounts' }, 401, 'ERR_CERT_MISSING'],
      ['a token in the query', { target: '/accounts?access_token=a', by: 'one' }, 400, 'ERR_TOKEN_REQUEST'],
      [
        'a scope that is missing',
        { target: '/accounts', by: 'one', claims: { scope: 'x' } },
        403,
        'ERR_TOKEN_SCOPE',
      ],
      [
        'a role that is missing',
        { target: '/accounts', by: 'one', claims: { tpp_roles: [] } },
        403,
        'ERR_TPP_ROLE_MISSING',
      ],
      [
        'no binding',
        { target: '/accounts', by: 'one', claims: { cnf: undefined } },
        401,
        'ERR_TOKEN_UNBOUND',
      ],
      ['an address that has no rule', { target: '/admin', by: 'one' }, 404, 'ERR_HTTP_NOT_FOUND'],
      ['a method that has no rule', { target: '/payments', by: 'one' }, 405, 'ERR_HTTP_METHOD'],
      [
        'an address with two readings',
        { target: '/accounts/..%2fadmin', by: 'one' },
        400,
        'ERR_HTTP_MALFORMED',
      ],
      ['dots', { target: '/accounts/../admin', by: 'one' }, 400, 'ERR_HTTP_MALFORMED'],
      [
        'an unknown status list',
        { target: '/accounts', by: 'one', claims: { status: { status_list: { idx: 1_000_000, uri: 'x' } } } },
        401,
        'ERR_TOKEN_INVALID',
      ],
    ] as const)(
      'refuses %s with its own status, challenge and body',
      async (_title, request, status, code) => {
        const { target } = request;
        const by = 'by' in request ? certificates[request.by] : undefined;
        const claims = 'claims' in request ? request.claims : {};
        const answer = await guarded.call(target, {
          certificate: by,
          token: await guarded.tokenFor(certificates.one, claims),
        });
        expect([answer.status, answer.reached]).toEqual([status, []]);
        expect(answer.body).toContain(code);
        expect(answer.headers['x-fapi-interaction-id']).toMatch(/^[0-9a-f-]{36}$/);
        expect([answer.headers['cache-control'], answer.headers['content-type']]).toEqual([
          'no-store',
          'application/json',
        ]);
        expect(answer.headers.allow).toBe(status === 405 ? 'POST' : undefined);
        if (status === 401 || status === 403) expect(answer.headers['www-authenticate']).toContain(code);
      },
    );

    test('asks for the method and the address that the API then gets, and gives it the body', async () => {
      const { one } = certificates;
      const body = 'access_token=of-the-body';
      const fields = ['Content-Type: application/x-www-form-urlencoded'];
      const paid = await guarded.call('/payments?a=%2F', { certificate: one, method: 'POST', body, fields });
      expect(paid.reached).toMatchObject([{ method: 'POST', url: '/payments?a=%2F', body }]);
      for (const [method, target] of [
        ['POST', '/accounts/own-1'],
        ['DELETE', '/payments'],
        ['OPTIONS', '/accounts/own-2'],
        ['GET', '/%61ccounts'],
      ] as const) {
        const answer = await guarded.call(target, { certificate: one, method, body: 'x' });
        expect(answer.reached).toEqual([]);
        await vi.waitFor(() => expect(guarded.refused).toContainEqual({ method, route: target }));
      }
      for (const method of ['TRACE', 'CONNECT', 'get', 'FOO']) {
        const answer = await guarded.call('/accounts', { certificate: one, method });
        expect([method, answer.status, answer.reached]).toEqual([method, expect.toBeOneOf(REFUSALS), []]);
      }
    });

    test.each([
      '//accounts',
      '/accounts//1',
      '/accounts/%2e%2e/payments',
      '/accounts/.%2e/payments',
      '/x/../accounts',
      '/accounts/%2fadmin',
      '/accounts/..;/admin',
      '/accounts;x',
      '/accounts\\..\\admin',
      '/accounts/%00',
      '/accounts%23',
      '/accounts/1?a=b&access%5Ftoken=x',
      '/accounts?access_token=',
      '*',
      '/accounts/é',
    ])('lets nothing through to the API with the target %s (B13)', async (target) => {
      const { status, reached } = await guarded.call(target, { certificate: certificates.one });
      expect([status, reached]).toEqual([expect.toBeOneOf(REFUSALS), []]);
    });

    test('lets no request through with two tokens, though one is right (RFC 6750 §2)', async () => {
      const { one } = certificates;
      for (const field of [
        'Authorization: Bearer x',
        `authorization: Bearer ${await guarded.tokenFor(one)}`,
      ]) {
        const { status, reached } = await guarded.call('/accounts', { certificate: one, fields: [field] });
        expect([status, reached]).toEqual([400, []]);
      }
    });

    test('lets no name through that the API could take for one of ours', async () => {
      for (const field of [
        'X_Tallystick_Subject',
        'X-Tallystick_Subject',
        'X.Tallystick.Subject',
        'X-Tallystick.Subject',
      ]) {
        const { status, reached } = await guarded.call('/accounts', {
          certificate: certificates.one,
          fields: [`${field}: admin`],
        });
        const seen = Object.values(reached[0]?.headers ?? {});
        expect([field, status, seen]).toEqual([
          field,
          expect.toBeOneOf([200, 400]),
          expect.not.arrayContaining(['admin']),
        ]);
      }
    });

    test('lets a DPoP proof be checked, once and for this address (RFC 9449 §4.3)', async () => {
      const { one } = certificates;
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const jwk = await exportJWK(publicKey);
      const cnf = { 'x5t#S256': thumbprintOf(one.der), jkt: await calculateJwkThumbprint(jwk) };
      const token = await guarded.tokenFor(one, { cnf });
      const proof = (target: string) =>
        new SignJWT({
          htm: 'GET',
          htu: `${AUDIENCE}${target}`,
          ath: createHash('sha256').update(token).digest('base64url'),
        })
          .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
          .setJti(target)
          .setIssuedAt()
          .sign(privateKey);
      const right = await proof('/accounts/1');
      const ask = (...proofs: string[]) =>
        guarded.call('/accounts/1', {
          certificate: one,
          token,
          scheme: 'DPoP',
          fields: proofs.map((one) => `DPoP: ${one}`),
        });
      expect((await ask(right)).status).toBe(200);
      for (const proofs of [[right], [await proof('/accounts/2')], [], [await proof('/accounts/1'), right]]) {
        const answer = await ask(...proofs);
        expect([answer.status, answer.reached]).toEqual([401, []]);
        expect(answer.headers['www-authenticate']).toMatch(/^DPoP error="invalid_dpop_proof"/);
      }
    });

    test('lets no forged certificate, verdict or refusal through (B1, B4)', async () => {
      const der = Buffer.from(certificates.one.der);
      const forged = [
        ...Object.values(FORWARDERS).flatMap((forward) => Object.entries(forward(der, []))),
        ['X-Original-URI', '/accounts'],
        ['X-Original-Method', 'GET'],
        [
          'X-Tallystick-Refusal',
          Buffer.from('[200,[],{"error":"","error_description":""}]').toString('base64url'),
        ],
        ['Connection', 'X-SSL-Client-Cert'],
      ];
      for (const [name, value] of forged) {
        for (const certificate of [undefined, certificates.two]) {
          const answer = await guarded.call('/accounts', { certificate, fields: [`${name}: ${value}`] });
          expect([name, answer.status, answer.reached]).toEqual([name, 401, []]);
        }
        const elsewhere = await guarded.call('/admin', {
          certificate: certificates.one,
          fields: [`${name}: ${value}`],
        });
        expect([name, elsewhere.status, elsewhere.reached]).toEqual([name, 404, []]);
      }
    });

    test('tells that it cannot decide, in so far as the proxy lets it', async () => {
      const status = { status_list: { idx: 7, uri: `${guarded.issuerUrl}/status-lists/9` } };
      const answer = await guarded.call('/accounts', {
        certificate: certificates.one,
        token: await guarded.tokenFor(certificates.one, { status }),
      });
      expect([answer.status, answer.reached]).toEqual([503, []]);
      // Envoy takes a 5xx for a failure of the gateway, and says nothing of its own.
      expect(answer.body).toContain({ nginx: 'ERR_TOKEN_STATUS_UNAVAILABLE', envoy: '' }[name]);
    });

    test('passes on what the API itself says, and refuses when the gateway is away', async () => {
      const broken = await guarded.call('/accounts/broken', { certificate: certificates.one });
      expect([broken.status, broken.reached.map(({ url }) => url)]).toEqual([500, ['/accounts/broken']]);
      expect(broken.body).toContain('from the API');
      expect(await guarded.stopGateway()).toBe(0);
      const answer = await guarded.call('/accounts', { certificate: certificates.one });
      expect([answer.status, answer.reached]).toEqual([UNDECIDED[name], []]);
    });
  },
);
