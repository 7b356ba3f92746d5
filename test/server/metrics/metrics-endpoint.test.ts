import { request } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { silentLog } from '../../../src/events.ts';
import { HealthServer, readinessOf } from '../../../src/server/health.ts';
import { ManagementEdge } from '../../../src/server/management/management-edge.ts';

async function served(host: string) {
  const metrics = async () => 'tallystick_processes 1\n';
  const edge = new ManagementEdge({ endpoint: () => undefined, metrics, log: silentLog });
  const health = new HealthServer(async () => readinessOf([]), edge.answerLoopback);
  const port = await health.listen({ host, port: 0 });
  onTestFinished(() => health.close());
  return (path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') =>
    new Promise<{
      readonly status: number | undefined;
      readonly type: string | undefined;
      readonly body: string;
    }>((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, path, headers, method }, async (response) => {
        const chunks = await response.toArray();
        resolve({
          status: response.statusCode,
          type: response.headers['content-type'],
          body: Buffer.concat(chunks).toString(),
        });
      });
      sent.on('error', reject).end();
    });
}

it('/metrics is text of Prometheus at the health listener of loopback', async () => {
  const ask = await served('127.0.0.1');
  expect(await ask('/metrics')).toEqual({
    status: 200,
    type: 'text/plain; version=0.0.4; charset=utf-8',
    body: 'tallystick_processes 1\n',
  });
  expect((await ask('/metrics', { host: 'localhost:9000' })).status).toBe(200);
  expect((await ask('/metrics', {}, 'POST')).status).toBe(503);
});

it('/metrics is not served by a foreign name, nor where the listener is not of loopback (O5)', async () => {
  const ask = await served('127.0.0.1');
  for (const host of [
    'attacker.example',
    '127.0.0.1.attacker.example',
    'localhost.attacker.example',
    '[::2]',
  ])
    expect((await ask('/metrics', { host })).status, host).toBe(421);
  const open = await served('0.0.0.0');
  expect((await open('/metrics')).status).toBe(404);
  expect((await open('/health/live')).status).toBe(200);
});
