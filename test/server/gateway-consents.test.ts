import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { parseConfig } from '../../src/configuration/config.ts';
import { loadGatewayConfig } from '../../src/configuration/gateway-config.ts';
import { silentLog } from '../../src/events.ts';
import { demoAspsp } from '../../src/sandbox/bank/customers.ts';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { freePort } from '../free-port.ts';
import { startGateway } from '../../src/server/gateway/gateway-server.ts';
import { type RunningServer, startServer } from '../../src/server/server.ts';
import { allowAccess } from '../authorization-server/consent-information/allowed-access.ts';
import { FORWARDERS } from '../mutual-tls/forwarders.ts';
import { createTestBank, type TestBank } from '../resource-server/test-bank.ts';

let bank: TestBank;
let server: RunningServer;
let gateway: Awaited<ReturnType<typeof startGateway>>;
let api: Server;
let health: number;
/** The consents that the API was given. */
const given: { readonly accountIds: readonly string[] }[] = [];

beforeAll(async () => {
  bank = await createTestBank({ format: 'jwt' });
  const config = parseConfig(bank.config, { source: 'test', folder: bank.folder });
  server = await startServer(config, { aspsp: demoAspsp(), log: silentLog });
  api = createServer((request, response) => {
    const packed = String(request.headers['x-tallystick-consent']);
    given.push(JSON.parse(Buffer.from(packed, 'base64url').toString()));
    response.end('served');
  }).listen(0, '127.0.0.1');
  await once(api, 'listening');
  health = await freePort();
  const file = join(bank.folder, 'gateway.yaml');
  await writeFile(file, stringify(gatewayConfig((api.address() as AddressInfo).port)));
  gateway = await startGateway(await loadGatewayConfig(file), { source: file, log: silentLog });
});
afterAll(async () => {
  await gateway.close();
  api.close();
  await server.close();
  await bank.remove();
});

function gatewayConfig(port: number): object {
  const { issuer, mtlsUrl, resourceUrl, caFile } = bank.description;
  const { certificateFile, keyFile } = bank.apis.accounts;
  return {
    listen: { port: 0, health },
    issuer,
    audience: resourceUrl,
    caFile,
    consents: {
      endpoint: `${mtlsUrl}/consent-information/`,
      clientId: 'accounts-api',
      certificateFile,
      privateKeyFile: keyFile,
    },
    proxy: 'forward',
    upstream: { origin: `http://127.0.0.1:${port}` },
    clientCertificate: { from: 'proxy', format: 'nginx', trustedProxies: ['127.0.0.1'] },
    routes: [
      { path: '/accounts/{account}/**', methods: ['GET'], scopes: ['accounts'], roles: ['PSP_AI'] },
      { path: '/fresh', scopes: ['accounts'], roles: [], covers: {}, maxAgeSeconds: 300 },
      { path: '/strong', scopes: ['accounts'], roles: [], covers: {}, acr: ['urn:strong'] },
    ],
    shutdown: { noticeSeconds: 0 },
  };
}

describe('an API in another language, behind a gateway and a real authorization server', () => {
  it('is asked for the accounts that the customer chose, until the consent ends, and for a login of its age (K16, K20)', async () => {
    const { token, consentId } = await allowAccess(bank.description, 'acc-1001');
    const pem = await readFile(tppNamed(bank.description, 'money-one').certificateFile);
    const headers = {
      authorization: `Bearer ${token}`,
      ...FORWARDERS.nginx(new X509Certificate(pem).raw, []),
    };
    const send = (path: string) => fetch(`http://127.0.0.1:${gateway.port}${path}`, { headers });
    const ask = async (account: string) => {
      const answer = await send(`/accounts/${account}/balances`);
      const text = await answer.text();
      return [answer.status, /ERR_\w+/.exec(text)?.[0] ?? text];
    };
    expect(await ask('acc-1001')).toEqual([200, 'served']);
    expect(await ask('acc-1002')).toEqual([403, 'ERR_CONSENT_ACCOUNT']);
    expect(await ask('acc-2001')).toEqual([403, 'ERR_CONSENT_ACCOUNT']);
    expect(given.map(({ accountIds }) => accountIds)).toEqual([['acc-1001']]);
    // The claims of our own tokens (RFC 9470 §5).
    expect((await send('/fresh')).status).toBe(200);
    const challenged = await send('/strong');
    expect([challenged.status, challenged.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('error="insufficient_user_authentication"'),
    ]);
    await server.consents.revoke(consentId);
    const isEnded = async () => expect([401, 403]).toContain((await ask('acc-1001'))[0]);
    await vi.waitFor(isEnded, { timeout: 5000, interval: 200 });
  });

  it('counts requests, refusals by their code, and questions to the issuer at its health listener', async () => {
    const answer = await fetch(`http://127.0.0.1:${health}/metrics`);
    const text = await answer.text();
    expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    for (const line of [
      /^tallystick_http_request_duration_seconds_count\{listener="gateway",route="other",status="403"\} [1-9]/m,
      /^tallystick_api_refusals_total\{code="ERR_CONSENT_ACCOUNT"\} 2$/m,
      /^tallystick_issuer_question_duration_seconds_count\{question="consent",outcome="answered"\} [1-9]/m,
      /^process_cpu_user_seconds_total /m,
    ])
      expect(text).toMatch(line);
    // Nothing but metrics and health, and not to a page of another site.
    const statusOf = (path: string, host = `127.0.0.1:${health}`) =>
      new Promise((resolve, reject) => {
        request({ port: health, host: '127.0.0.1', path, headers: { host } }, (found) => {
          found.resume();
          resolve(found.statusCode);
        })
          .on('error', reject)
          .end();
      });
    expect(await statusOf('/v1/clients')).toBe(404);
    expect(await statusOf('/metrics', 'attacker.example')).toBe(421);
  });
});
