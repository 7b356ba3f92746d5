import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { freePort } from '../free-port.ts';
import { fileOf } from '../docs/pages.ts';
import { type Call, type ManagedServer, startManaged } from './managed-server.ts';

const document = JSON.parse(readFileSync(fileOf('docs/management.openapi.json'), 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
};
const bankApi = JSON.parse(readFileSync(fileOf('docs/bank-api.openapi.json'), 'utf8')) as typeof document;
const OTHERS = [
  '/metrics',
  '/openapi.json',
  '/health/started',
  '/health/ready',
  '/health/live',
  '/console',
  '/console/',
  '/console/enter?ticket=a.b',
  '/console/login',
  '/console/callback?code=a&state=b',
  '/console/tpps',
  '/console/assets/console.css',
  '/console/do/rotate-keys',
];
/** Other ways of writing a path, for a router that reads it otherwise than its gate. */
const SPELLINGS = [
  '//metrics',
  '/./metrics',
  '/%6detrics',
  '/METRICS',
  '/v1/../metrics',
  '/v1//operator',
  '/V1/operator',
];

/** Every path and method of the management API, as a caller writes them. */
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.keys(methods).map((method) => ({
    path: path.replaceAll(/\{\w+\}/g, 'x'),
    method: method.toUpperCase(),
    isOfBankApi: bankApi.paths[path.replace('/search', '/{consentId}')] !== undefined,
  })),
);
const scanned = [
  ...operations,
  ...[...OTHERS, ...SPELLINGS].flatMap((path) =>
    ['GET', 'POST'].map((method) => ({ path, method, isOfBankApi: path === '/openapi.json' })),
  ),
];

let server: ManagedServer;
let bankUrl: string;
beforeAll(async () => {
  const port = await freePort();
  bankUrl = `https://localhost:${port}`;
  server = await startManaged({
    amend: (own) => ({
      ...own,
      bankApi: {
        url: bankUrl,
        listen: port,
        anchorsFile: (own.management as { readonly anchorsFile: string }).anchorsFile,
        callers: [{ name: 'security', may: ['events'], tls_client_auth_subject_dn: 'CN=security' }],
      },
    }),
  });
});
afterAll(() => server?.stop());

async function expectNothing(
  call: Call,
  request: { readonly path: string; readonly method: string },
  place: string,
) {
  const token = (await server.tickets()).create('bearer', { name: 'x', roles: ['security', 'operator'] });
  const answer = await call(request.path, {
    method: request.method,
    headers: { authorization: `Bearer ${token}`, 'idempotency-key': 'scan', 'if-match': '*' },
    ...(request.method === 'GET' ? {} : { body: { reason: 'scanned by a test' } }),
  });
  const title = `${place} ${request.method} ${request.path}`;
  expect([400, 401, 403, 404, 405], title).toContain(answer.status);
  expect(answer.text, title).not.toMatch(/ERR_MANAGEMENT|tallystick_|"parts"|<title>[^<]*Tallystick/);
  for (const name of ['set-cookie', 'etag', 'server', 'x-powered-by']) {
    expect(answer.headers.get(name), `${title} ${name}`).toBeNull();
  }
  // O9: neither a release nor the place of a file.
  expect(answer.text, title).not.toMatch(/node:internal|\.ts:\d+|\bat [\w.]+ \(|node_modules|9\.13\.\d/);
}

describe('a listener beside those of the management', () => {
  it.each(['front', 'mtls', 'bank'] as const)(
    'O5: of the %s serves no path of management, metrics, health or console, to an operator neither (O9)',
    async (name) => {
      const { issuer, mtlsUrl } = server.sandbox.description;
      const url = { front: issuer, mtls: mtlsUrl, bank: bankUrl }[name];
      const [security, nobody] = await Promise.all([server.tls('security', url), server.tls(undefined, url)]);
      for (const call of [security, nobody]) {
        for (const one of scanned) {
          if (name === 'bank' && one.isOfBankApi) continue;
          await expectNothing(call, one, name);
        }
      }
    },
  );

  it('O5: answers a TPP as it answers anyone', async () => {
    const tpp = tppNamed(server.sandbox.description, 'money-one');
    for (const { path, method } of scanned) {
      const answer = await server.sandbox.send(`${server.sandbox.description.mtlsUrl}${path}`, {
        certificate: tpp,
        method,
      });
      expect([400, 404, 405], `${method} ${path}`).toContain(answer.status);
    }
  });
});

describe('the listener with certificates', () => {
  /** The answer to a request that names another host, as Prometheus names the address of a pod. */
  function answerUnder(
    host: string,
    path: string,
    holder: { readonly cert?: string; readonly key?: string },
    method = 'GET',
  ) {
    const ca = readFileSync(server.sandbox.description.caFile, 'utf8');
    const { port } = new URL(server.urls.tls);
    const agent = new Agent({ ca, servername: 'localhost', ...holder });
    return new Promise<{ readonly status: number | undefined; readonly text: string }>((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port, path, method, agent, headers: { host } },
        async (response) => {
          const text = Buffer.concat(await response.toArray()).toString();
          agent.destroy();
          resolve({ status: response.statusCode, text });
        },
      );
      sent.on('error', reject).end();
    });
  }

  it('gives its metrics to a caller of the configuration by any host, and nothing else (O5)', async () => {
    const viewer = server.keyPair('viewer');
    const pod = '10.1.2.3:9443';
    const metrics = await answerUnder(pod, '/metrics', viewer);
    expect(metrics.status).toBe(200);
    expect(metrics.text).toMatch(/^tallystick_build_info/m);
    expect((await answerUnder(pod, '/metrics?name[]=x', viewer)).status).toBe(200);
    expect((await answerUnder(pod, '/metrics', {})).status).toBe(401);
    expect((await answerUnder(pod, '/metrics', server.keyPair('stranger'))).status).toBe(401);
    expect((await answerUnder(pod, '/metrics', viewer, 'POST')).status).toBe(421);
    for (const path of [
      '/v1/operator',
      '/console',
      '/health/ready',
      '/openapi.json',
      '/metrics/',
      '/metrics;x',
      '//metrics',
    ]) {
      expect([path, (await answerUnder(pod, path, viewer)).status]).toEqual([path, 421]);
    }
  });
});
