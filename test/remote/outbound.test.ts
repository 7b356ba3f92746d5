import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRefusal } from '../../src/errors.ts';
import { isSpecialAddress, Outbound, type OutboundOptions } from '../../src/remote/outbound.ts';

let server: Server;
let port: number;
let hits = 0;
/** Requests of the test of `close`: those of the test before may still arrive. */
let lastHits = 0;
let connections = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    hits += 1;
    if (request.url === '/hang') return;
    if (request.url === '/hang/last') {
      lastHits += 1;
      return;
    }
    if (request.url === '/upgrade') {
      response.writeHead(101, { connection: 'upgrade', upgrade: 'other' }).end();
      return;
    }
    if (request.url === '/drip') {
      const drip = setInterval(() => response.write('x'), 50);
      response.once('close', () => clearInterval(drip));
    } else if (request.url === '/redirect') response.writeHead(302, { location: '/secret' }).end();
    else if (request.url === '/large') response.end(Buffer.alloc(100_000));
    else if (request.url === '/gzip')
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'));
    else response.end(`${request.method} ${request.url}`);
  });
  server.on('connection', () => {
    connections += 1;
  });
  port = await new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  );
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function outcome(url: string, options: Partial<OutboundOptions> = {}): Promise<string> {
  const outbound = new Outbound({ timeoutSeconds: 1, maxBytes: 10_000, allowHttp: true, ...options });
  try {
    const { status, body } = await outbound.fetchBytes(url);
    return `${status} ${body.toString()}`;
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  } finally {
    await outbound.close();
  }
}

/** At a port that was free a moment ago. */
async function deadUrl(): Promise<string> {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port: free } = other.address() as AddressInfo;
  await new Promise((resolve) => other.close(resolve));
  return `http://127.0.0.1:${free}/`;
}

const inside = { allowPrivateAddresses: true };

describe('the only HTTP client', () => {
  it('does not reach this machine or private networks by any spelling (F20, H10)', async () => {
    const hosts = [
      '127.0.0.1',
      'localhost',
      '2130706433',
      '0x7f.1',
      '0177.0.0.1',
      '127.1',
      '0.0.0.0',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::]',
    ];
    const before = hits;
    const outcomes = await Promise.all(hosts.map((host) => outcome(`http://${host}:${port}/canary`)));
    expect(outcomes).toEqual(hosts.map(() => 'ERR_OUTBOUND_REFUSED'));
    expect(hits).toBe(before);
    expect(await outcome(`http://127.0.0.1:${port}/canary`, inside)).toBe('200 GET /canary');
  });

  it.each(['8.8.8.8', '1.1.1.1', '93.184.215.14', '2606:4700::1111'])('takes %s for public', (address) => {
    expect(isSpecialAddress(address)).toBe(false);
  });

  it.each([
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    '2002:a00:1::',
    'not an address',
  ])('takes %s for special', (address) => {
    expect(isSpecialAddress(address)).toBe(true);
  });

  it('sends a GET again, and no POST, when the server closes a kept connection instead of answering', async () => {
    const asked: string[] = [];
    const closing = createServer((request, response) => {
      // The first request of a connection is answered, the second one is not.
      const isSecond = asked.includes(String(request.socket.remotePort));
      asked.push(String(request.socket.remotePort));
      if (isSecond) request.socket.destroy();
      else response.end('answered');
    });
    await new Promise<void>((resolve) => closing.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(closing.address() as AddressInfo).port}/`;
    const outbound = new Outbound({ timeoutSeconds: 5, maxBytes: 100, allowHttp: true, ...inside });
    const fetched = async (method: 'GET' | 'POST') =>
      String((await outbound.fetchBytes(url, { method })).body);
    expect([await fetched('GET'), await fetched('GET')]).toEqual(['answered', 'answered']);
    expect([new Set(asked).size, asked.length]).toEqual([2, 3]);
    await expect(fetched('POST')).rejects.toMatchObject({ code: 'ERR_OUTBOUND_FAILED' });
    expect(asked.length).toBe(4);
    await outbound.close();
    closing.closeAllConnections();
    closing.close();
  });

  it.each([
    [
      'http without leave',
      () => outcome(`http://127.0.0.1:${port}/`, { ...inside, allowHttp: false }),
      'ERR_OUTBOUND_REFUSED',
    ],
    ['another scheme', () => outcome('file:///etc/passwd'), 'ERR_OUTBOUND_REFUSED'],
    ['no URL', () => outcome('not a url'), 'ERR_OUTBOUND_REFUSED'],
    ['credentials', () => outcome(`http://user:pass@127.0.0.1:${port}/`, inside), 'ERR_OUTBOUND_REFUSED'],
    [
      'an answer that does not come',
      () => outcome(`http://127.0.0.1:${port}/hang`, inside),
      'ERR_OUTBOUND_FAILED',
    ],
    ['an answer that drips', () => outcome(`http://127.0.0.1:${port}/drip`, inside), 'ERR_OUTBOUND_FAILED'],
    [
      'an answer that is too large',
      () => outcome(`http://127.0.0.1:${port}/large`, inside),
      'ERR_OUTBOUND_ANSWER',
    ],
    ['a compressed answer', () => outcome(`http://127.0.0.1:${port}/gzip`, inside), 'ERR_OUTBOUND_ANSWER'],
    ['a closed port', () => outcome('http://127.0.0.1:1/', inside), 'ERR_OUTBOUND_FAILED'],
    ['a port at which nothing listens', async () => outcome(await deadUrl(), inside), 'ERR_OUTBOUND_FAILED'],
    [
      'an answer in another protocol',
      () => outcome(`http://127.0.0.1:${port}/upgrade`, inside),
      'ERR_OUTBOUND_FAILED',
    ],
  ])('refuses %s', async (_title, run, code) => {
    expect(await run()).toBe(code);
  });

  it('sends nothing to the port of another protocol (Fetch standard, port blocking)', async () => {
    const outbound = new Outbound({ timeoutSeconds: 1, maxBytes: 10, ...inside, allowHttp: true });
    await expect(outbound.fetchBytes('http://127.0.0.1:25/')).rejects.toMatchObject({
      code: 'ERR_OUTBOUND_FAILED',
      details: { problem: 'the port is of another protocol' },
    });
    await outbound.close();
  });

  it('connects to a name when all its addresses are allowed, and uses a connection again', async () => {
    const outbound = new Outbound({ timeoutSeconds: 1, maxBytes: 100, ...inside, allowHttp: true });
    const before = connections;
    for (let index = 0; index < 5; index += 1) {
      const { body } = await outbound.fetchBytes(`http://localhost:${port}/again`);
      expect(body.toString()).toBe('GET /again');
    }
    expect(connections).toBe(before + 1);
    await outbound.close();
  });

  it('ends requests at the time limit, also those that wait for a connection', async () => {
    const before = performance.now();
    const outbound = new Outbound({ timeoutSeconds: 1, maxBytes: 100, ...inside, allowHttp: true });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, () => outbound.fetchBytes(`http://127.0.0.1:${port}/hang`)),
    );
    expect(outcomes.map((one) => one.status === 'rejected' && one.reason.details.problem)).toEqual(
      outcomes.map(() => 'no answer in time'),
    );
    expect(performance.now() - before).toBeLessThan(3000);
    await outbound.close();
  });

  it('ends every request when it is closed, and sends none afterwards', async () => {
    const outbound = new Outbound({ timeoutSeconds: 20, maxBytes: 100, ...inside, allowHttp: true });
    const underWay = Array.from({ length: 40 }, () =>
      outbound.fetchBytes(`http://127.0.0.1:${port}/hang/last`).catch((error: unknown) => error),
    );
    await expect.poll(() => lastHits).toBe(16);
    await outbound.close();
    const outcomes = [
      ...(await Promise.all(underWay)),
      await outbound.fetchBytes(`http://127.0.0.1:${port}/hang/last`).catch((error: unknown) => error),
    ];
    expect(outcomes.map((one) => isRefusal(one, 'ERR_OUTBOUND_FAILED'))).toEqual(outcomes.map(() => true));
    expect(lastHits).toBe(16);
  });

  it('does not follow a redirect', async () => {
    const before = hits;
    expect(await outcome(`http://127.0.0.1:${port}/redirect`, inside)).toBe('302 ');
    expect(hits).toBe(before + 1);
  });
});
