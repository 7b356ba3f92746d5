import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadGatewayConfig } from '../../src/configuration/gateway-config.ts';
import { silentLog } from '../../src/events.ts';
import { freePort } from '../free-port.ts';
import { startGateway } from '../../src/server/gateway/gateway-server.ts';
import { documentedSnippet } from '../mutual-tls/proxies/documented-snippet.ts';
import { createTestCertificates } from '../resource-server/issuer.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-gateway-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function start(more: string) {
  const health = await freePort();
  const file = join(folder, `gateway-${health}.yaml`);
  const own = documentedSnippet('gateway.yaml').replace('port: 4000', `port: 0, health: ${health}`);
  await writeFile(file, `${own}\n${more}\n`);
  const gateway = await startGateway(await loadGatewayConfig(file), { source: file, log: silentLog });
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${health}/health/${path}`);
    const { parts } = (await answer.json()) as { readonly parts: readonly object[] };
    return { status: answer.status, parts };
  };
  return { gateway, ask };
}

describe('a gateway', () => {
  it('says that it is ready, then that it stops, and ends its kept connections in order', async () => {
    const { gateway, ask } = await start('shutdown: { noticeSeconds: 1, drainSeconds: 30 }');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const decide = () =>
      new Promise<string | undefined>((resolve, reject) => {
        const options = { host: '127.0.0.1', port: gateway.port, path: '/authorize', agent };
        const asked = request(options, (answer) => {
          answer.resume();
          answer.once('end', () => resolve(answer.headers.connection));
        });
        asked.once('error', reject);
        asked.end();
      });
    expect(await decide()).toBe('keep-alive');
    expect(await ask('ready')).toEqual({
      status: 200,
      parts: [
        { part: 'process', status: 'ok' },
        { part: 'gateway', status: 'ok' },
      ],
    });
    const closed = gateway.close();
    expect((await ask('ready')).status).toBe(503);
    expect((await ask('live')).status).toBe(200);
    expect(await decide()).toBe('close');
    await closed;
    await expect(decide()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    agent.destroy();
  });

  it('asks its own listener by TLS, where it has TLS', async () => {
    const { authority } = await createTestCertificates();
    const server = await authority.issue({
      profile: 'server',
      subject: { commonName: 'localhost' },
      notBefore: new Date('2020-01-01'),
      notAfter: new Date('2049-01-01'),
    });
    await writeFile(join(folder, 'server.pem'), server.certificatePem);
    await writeFile(join(folder, 'server.key'), server.privateKeyPem, { mode: 0o600 });
    const tls = 'tls: { certificateFile: server.pem, privateKeyFile: server.key }';
    const { gateway, ask } = await start(`${tls}\nshutdown: { noticeSeconds: 0 }`);
    expect(await ask('ready')).toMatchObject({
      status: 200,
      parts: [{}, { part: 'gateway', status: 'ok' }, { part: 'certificate', status: 'ok' }],
    });
    await gateway.close();
  });
});
