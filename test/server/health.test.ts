import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { healthAddressSchema } from '../../src/configuration/health-schema.ts';
import { type HealthPart, HealthServer, readinessOf } from '../../src/server/health.ts';

let health: HealthServer;
afterEach(() => health?.close());

async function started(ready: () => Promise<readonly HealthPart[]>) {
  health = new HealthServer(async () => readinessOf(await ready()));
  const port = await health.listen({ host: '127.0.0.1', port: 0 });
  return async (path: string, head = 'HTTP/1.1\r\nHost: 10.0.0.7:9000\r\nConnection: close') => {
    const socket = connect(port, '127.0.0.1');
    socket.end(`GET ${path} ${head}\r\n\r\n`);
    const answer = await text(socket);
    return {
      status: Number(answer.split(' ')[1]),
      body: JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))),
    };
  };
}

describe('the health server', () => {
  it('says of each phase whether it is started, ready and live, whatever Host is named', async () => {
    const ask = await started(async () => [{ name: 'store' }]);
    const statuses = async () =>
      Promise.all(['started', 'ready', 'live'].map(async (path) => (await ask(`/health/${path}`)).status));
    expect(await statuses()).toEqual([503, 503, 200]);
    health.started();
    expect(await statuses()).toEqual([200, 200, 200]);
    expect((await ask('/health/ready?of=all', 'HTTP/1.0')).status).toBe(200);
    expect((await ask('/')).status).toBe(404);
    health.stopping();
    expect(await statuses()).toEqual([200, 503, 200]);
    expect((await ask('/health/ready')).body).toEqual({
      status: 'unavailable',
      parts: [
        { part: 'process', status: 'unavailable', problem: 'stopping' },
        { part: 'store', status: 'ok' },
      ],
    });
  });

  it('names the part that is not in order', async () => {
    const ask = await started(async () => [{ name: 'front' }, { name: 'mtls', problem: 'ECONNREFUSED' }]);
    health.started();
    const { status, body } = await ask('/health/ready');
    expect([status, body.parts]).toEqual([
      503,
      [
        { part: 'process', status: 'ok' },
        { part: 'front', status: 'ok' },
        { part: 'mtls', status: 'unavailable', problem: 'ECONNREFUSED' },
      ],
    ]);
  });

  it('asks its parts once for many callers', async () => {
    let asked = 0;
    const ask = await started(async () => {
      asked += 1;
      return [];
    });
    health.started();
    await Promise.all(Array.from({ length: 20 }, () => ask('/health/ready')));
    // Half a second may pass on a busy machine.
    expect(asked).toBeLessThan(5);
  });
});

describe('listen.health', () => {
  it.each([
    [9000, { host: '127.0.0.1', port: 9000 }],
    ['0.0.0.0:9000', { host: '0.0.0.0', port: 9000 }],
    ['[::]:0', { host: '::', port: 0 }],
    ['health.internal:81', { host: 'health.internal', port: 81 }],
    ['9000', undefined],
    ['::1:9000', undefined],
    ['localhost:70000', undefined],
    ['http://x:80', undefined],
  ])('%s', (value, expected) => {
    expect(healthAddressSchema.safeParse(value).data).toEqual(expected);
  });
});
