import { createHash } from 'node:crypto';
import fc from 'fast-check';
import Koa from 'koa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Authorization,
  createAuthorizer,
  createProtection,
  koaProtection,
  nodeProtection,
} from '../../src/resource-server/index.ts';
import type { IssuedCertificate } from '../../src/sandbox/pki.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  ISSUER,
  NOW,
  serveOverTls,
  type TestIssuer,
  type TestServer,
} from './issuer.ts';

let issuer: TestIssuer;
let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
let servers: Readonly<Record<'koa' | 'node', TestServer>>;

const thumbprintOf = ({ der }: IssuedCertificate) => createHash('sha256').update(der).digest('base64url');
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

beforeAll(async () => {
  issuer = await createTestIssuer();
  certificates = await createTestCertificates();
  const authorizer = createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.jwks,
    clock: { now: () => NOW },
    fetchDocument: async () => Buffer.from(await issuer.statusList([3])),
  });
  const protection = createProtection({ authorizer, clientCertificate: { from: 'socket' } });
  const app = new Koa();
  app.use(koaProtection(protection, { scopes: ['accounts'] }));
  app.use((ctx) => {
    ctx.body = (ctx.state.authorization as Authorization).claims;
  });
  const node = nodeProtection(protection, { scopes: ['accounts'] }, (_request, response, authorization) => {
    response.end(JSON.stringify(authorization.claims));
  });
  servers = {
    koa: await serveOverTls(app.callback(), certificates),
    node: await serveOverTls(node, certificates),
  };
});
afterAll(async () => {
  await Promise.all(Object.values(servers).map((server) => server.close()));
});

describe.each(['koa', 'node'] as const)('an API behind the %s glue', (glue) => {
  it('lets each token through with its own certificate only (A1, RFC 8705 §3)', async () => {
    const owners = [certificates.one, certificates.two];
    for (const owner of owners) {
      const token = await issuer.token(thumbprintOf(owner));
      for (const presenter of owners) {
        const answer = await servers[glue].send('/accounts', {
          certificate: presenter,
          headers: bearer(token),
        });
        expect(answer.status).toBe(owner === presenter ? 200 : 401);
        if (owner !== presenter)
          expect(answer.headers.get('www-authenticate')).toContain('ERR_TOKEN_BINDING');
      }
    }
  });

  it('refuses without a certificate, with a renewed one, and with another one on the same key (A2, A3, A4)', async () => {
    const token = await issuer.token(thumbprintOf(certificates.one));
    const cases = [
      [undefined, 'ERR_CERT_MISSING'],
      [certificates.renewed, 'ERR_TOKEN_BINDING'],
      [certificates.reissued, 'ERR_TOKEN_BINDING'],
    ] as const;
    for (const [certificate, code] of cases) {
      const answer = await servers[glue].send('/accounts', {
        headers: bearer(token),
        ...(certificate === undefined ? {} : { certificate }),
      });
      expect([answer.status, answer.json.error]).toEqual([401, 'invalid_token']);
      expect(answer.json.error_description).toContain(code);
    }
  });

  it('echoes the interaction id, or makes one, and forbids caches (FAPI 1.0 Baseline §6.2.1)', async () => {
    const certificate = certificates.one;
    const headers = bearer(await issuer.token(thumbprintOf(certificate)));
    const id = 'c770aef3-6784-41f7-8e0e-ff5f97bddb3a';
    const echoed = await servers[glue].send('/x', {
      certificate,
      headers: { ...headers, 'x-fapi-interaction-id': id },
    });
    expect(echoed.headers.get('x-fapi-interaction-id')).toBe(id);
    for (const answer of [
      await servers[glue].send('/x', {
        certificate,
        headers: { ...headers, 'x-fapi-interaction-id': 'not-a-uuid"' },
      }),
      await servers[glue].send('/x', { certificate }),
    ]) {
      expect(answer.headers.get('x-fapi-interaction-id')).toMatch(/^[0-9a-f-]{36}$/);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('date')).not.toBeNull();
    }
  });

  it('challenges as RFC 6750 §3 says: bare without a token, with the scope when it is missing', async () => {
    const certificate = certificates.one;
    const none = await servers[glue].send('/x', { certificate });
    expect([none.status, none.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    const token = await issuer.token(thumbprintOf(certificate), { claims: { scope: 'payments' } });
    const scope = await servers[glue].send('/x', { certificate, headers: bearer(token) });
    expect([scope.status, scope.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringMatching(
        /^Bearer error="insufficient_scope", error_description="ERR_TOKEN_SCOPE: [^"]+", scope="accounts"$/,
      ),
    ]);
  });

  it('takes the token from the Authorization field only, and only one (L4, FAPI 2.0 §5.3.4)', async () => {
    const certificate = certificates.one;
    const token = await issuer.token(thumbprintOf(certificate));
    const query = await servers[glue].send(`/x?access_token=${token}`, { certificate });
    const both = await servers[glue].send(`/x?access_token=${token}`, {
      certificate,
      headers: bearer(token),
    });
    expect([query.status, both.status]).toEqual([400, 400]);
    expect(
      (await servers[glue].send('/x', { certificate, headers: { authorization: `bearer ${token}` } })).status,
    ).toBe(200);
  });

  it('answers any junk in the Authorization field with 400 or 401', async () => {
    const certificate = certificates.one;
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme-ascii', maxLength: 60 }), async (junk) => {
        const authorization = `Bearer ${junk}`.replace(/[^\x20-\x7e]/g, '');
        const answer = await servers[glue].send('/x', { certificate, headers: { authorization } });
        expect([400, 401]).toContain(answer.status);
      }),
      { numRuns: 40, seed: 1 },
    );
  });
});
