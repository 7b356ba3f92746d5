import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IssuedCertificate } from '../../src/sandbox/pki.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  serveOverTls,
  type TestIssuer,
  type TestServer,
} from '../resource-server/issuer.ts';
import { FORWARDERS } from './forwarders.ts';
import { rawExchange, rawRequest } from './raw-exchange.ts';
import { adapted, readmeSnippet } from './readme-snippet.ts';
import { freePort } from '../../src/sandbox/ports.ts';
import { absence, isInstalled, type RunningProxy, startProxy } from './real-proxy.ts';
import { thumbprintOf } from './thumbprint.ts';

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;
const HOST = 'Host: api.bank.example';

describe.skipIf(!isInstalled('nginx'))(
  `an API in any language behind nginx and the gateway${absence('nginx')}`,
  () => {
    let issuer: TestIssuer;
    let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
    let authority: TestServer;
    let api: Server;
    let reached: { readonly url: string; readonly headers: IncomingHttpHeaders }[] = [];
    let proxy: RunningProxy;
    let gateway: ChildProcess;
    let token: string;

    const tokenFor = (certificate: IssuedCertificate, claims: Record<string, unknown> = {}) => {
      const now = Math.floor(Date.now() / 1000);
      const status = { status_list: { idx: 7, uri: `${authority.url}/status-lists/0` } };
      const dates = { iat: now, exp: now + 600 };
      return issuer.token(thumbprintOf(certificate.der), {
        claims: { iss: authority.url, status, ...dates, ...claims },
      });
    };
    const answerAsIssuer = async (url: string | undefined): Promise<string> => {
      if (url === '/jwks') return JSON.stringify(issuer.jwks);
      const now = Math.floor(Date.now() / 1000);
      return issuer.statusList([], {
        iss: authority.url,
        sub: `${authority.url}/status-lists/0`,
        iat: now,
        exp: now + 60,
      });
    };

    beforeAll(async () => {
      issuer = await createTestIssuer();
      certificates = await createTestCertificates();
      authority = await serveOverTls((request, response) => {
        void answerAsIssuer(request.url).then((text) => response.end(text));
      }, certificates);
      api = createServer((request, response) => {
        reached.push({ url: request.url ?? '', headers: request.headers });
        response.writeHead(request.url === '/accounts/broken' ? 500 : 200, {
          'x-fapi-interaction-id': 'of the API',
        });
        response.end('from the API');
      });
      await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
      const gatewayPort = await freePort();
      proxy = await startProxy('nginx', {
        tls: { ...certificates.server, caPem: certificates.authority.certificatePem },
        apiPort: (api.address() as AddressInfo).port,
        snippet: 'nginx with the gateway',
        change: (text) => adapted(text, { '127.0.0.1:4000': `127.0.0.1:${gatewayPort}` }),
      });
      const config = adapted(readmeSnippet('gateway.yaml'), {
        'port: 4000': `port: ${gatewayPort}`,
        'https://as.bank.example': `${authority.url}\ncaFile: tpp-cas.pem`,
        'https://api.bank.example': AUDIENCE,
      });
      await writeFile(join(proxy.folder, 'gateway.yaml'), config);
      gateway = spawn(process.execPath, [MAIN, 'gateway', '--config', join(proxy.folder, 'gateway.yaml')], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await new Promise<void>((resolve, reject) => {
        gateway.once('exit', (code) => reject(new Error(`the gateway ended with ${code}`)));
        gateway.stdout?.once('data', () => resolve());
      });
      token = await tokenFor(certificates.one);
    });
    afterAll(async () => {
      gateway?.removeAllListeners('exit');
      gateway?.kill('SIGTERM');
      await proxy?.close();
      await authority?.close();
      await new Promise((resolve) => api.close(resolve));
    });

    const call = async (
      target: string,
      options: {
        certificate?: IssuedCertificate | undefined;
        token?: string;
        fields?: string[];
        method?: string;
      } = {},
    ) => {
      reached = [];
      const fields = [HOST, `Authorization: Bearer ${options.token ?? token}`, ...(options.fields ?? [])];
      const answer = await rawExchange(rawRequest(target, fields, options.method), {
        port: proxy.port,
        caPem: certificates.authority.certificatePem,
        certificate: options.certificate,
      });
      return { ...answer, reached: reached.map(({ url }) => url), seen: reached[0]?.headers ?? {} };
    };

    it('reaches the API with the right certificate, with the proof in headers and FAPI’s on the answer', async () => {
      const id = 'c770aef3-6784-41f7-8e0e-ff5f97bddb3a';
      const answer = await call('/accounts/1?a=b', {
        certificate: certificates.one,
        fields: [
          `x-fapi-interaction-id: ${id}`,
          'X-Tallystick-Client-Id: admin',
          'X_Tallystick_Subject: admin',
        ],
      });
      expect([answer.status, answer.reached]).toEqual([200, ['/accounts/1?a=b']]);
      expect(answer.body).toContain('from the API');
      const { headers, seen } = answer;
      expect([headers['x-fapi-interaction-id'], headers['cache-control']]).toEqual([id, 'no-store']);
      expect(headers.date).toBeDefined();
      expect(
        Object.fromEntries(Object.entries(seen).filter(([name]) => name.includes('tallystick'))),
      ).toEqual({
        'x-tallystick-certificate': thumbprintOf(certificates.one.der),
        'x-tallystick-client-id': 'acme',
        'x-tallystick-consent-id': 'consent-1',
        'x-tallystick-expires-at': expect.stringMatching(/^\d{4}-/),
        'x-tallystick-roles': 'PSP_AI PSP_PI',
        'x-tallystick-scopes': 'accounts payments',
        'x-tallystick-subject': 'psu-1',
      });
    });

    it.each([
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
        const answer = await call(target, {
          certificate: by,
          token: await tokenFor(certificates.one, claims),
        });
        expect([answer.status, answer.reached]).toEqual([status, []]);
        expect(answer.body).toContain(code);
        expect(answer.headers['x-fapi-interaction-id']).toMatch(/^[0-9a-f-]{36}$/);
        expect([answer.headers['cache-control'], answer.headers['content-type']]).toEqual([
          'no-store',
          'application/json',
        ]);
        if (status === 401 || status === 403) expect(answer.headers['www-authenticate']).toContain(code);
      },
    );

    it('lets no forged certificate, verdict or refusal through (B1, B4)', async () => {
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
          const answer = await call('/accounts', { certificate, fields: [`${name}: ${value}`] });
          expect([name, answer.status, answer.reached]).toEqual([name, 401, []]);
        }
        const elsewhere = await call('/admin', {
          certificate: certificates.one,
          fields: [`${name}: ${value}`],
        });
        expect([name, elsewhere.status, elsewhere.reached]).toEqual([name, 404, []]);
      }
    });

    it('passes on what the API itself says, and refuses when the gateway is away', async () => {
      const broken = await call('/accounts/broken', { certificate: certificates.one });
      expect([broken.status, broken.reached]).toEqual([500, ['/accounts/broken']]);
      expect(broken.body).toContain('from the API');
      gateway.removeAllListeners('exit');
      const ended = new Promise((resolve) => gateway.once('exit', resolve));
      gateway.kill('SIGTERM');
      expect(await ended).toBe(0);
      const answer = await call('/accounts', { certificate: certificates.one });
      expect([answer.status, answer.reached]).toEqual([502, []]);
    });
  },
);
