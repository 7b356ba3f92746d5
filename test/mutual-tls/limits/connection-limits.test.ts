import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import { logTo } from '../../../src/events.ts';
import {
  type ConnectionLimits,
  createConnectionLimits,
} from '../../../src/mutual-tls/limits/connection-limits.ts';
import type { ConnectionLimitOptions } from '../../../src/mutual-tls/limits/connection-settings.ts';
import { createListener, type Listener } from '../../../src/mutual-tls/listeners.ts';
import { createAuthority, type IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';

const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
const LOOPBACK = { exemptAddresses: ['127.0.0.1'] };
let client: IssuedCertificate;
let server: IssuedCertificate;
let opened: { close(): unknown }[] = [];

beforeAll(async () => {
  const root = await createAuthority({ name: 'Root', ...PERIOD });
  client = await root.issue({ profile: 'qwac', subject: { commonName: 'client' }, ...PERIOD });
  server = await root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD });
});
afterEach(async () => {
  for (const one of opened.reverse()) await one.close();
  opened = [];
});

interface Running {
  readonly port: number;
  /** The events of refusals and cuts, each with its code. */
  readonly events: string[];
  readonly served: string[];
}

function limitsOf(options: ConnectionLimitOptions): { limits: ConnectionLimits; events: string[] } {
  const events: string[] = [];
  const log = logTo((name, _definition, { error, address }) => {
    events.push(`${name} ${isRefusal(error) ? error.code : 'ERR'} ${address ?? ''}`.trim());
  });
  return { limits: createConnectionLimits({ log, ...options }), events };
}

async function start(options: ConnectionLimitOptions, answer = 'ok'): Promise<Running> {
  const { limits: connections, events } = limitsOf(options);
  const listener: Listener = createListener({
    name: 'mtls',
    certificatePem: server.certificatePem,
    privateKeyPem: server.privateKeyPem,
    requestClientCertificate: true,
    log: logTo(),
    connections,
  });
  const port = await listener.listen(0, '127.0.0.1');
  opened.push({ close: () => listener.close(0) });
  const served: string[] = [];
  listener.serve(new URL('https://localhost'), (request, response) => {
    served.push(request.url ?? '');
    if (request.url !== '/never') response.end(answer);
  });
  return { port, events, served };
}

function keep<S extends Socket>(socket: S): S {
  socket.on('error', () => {});
  opened.push({ close: () => socket.destroy() });
  return socket;
}

const dial = (port: number, chain = client.chainPem, more: object = {}): TLSSocket =>
  keep(
    connect({
      ...more,
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      cert: chain,
      key: client.privateKeyPem,
    }),
  );

const GET = (path = '/') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

const closing = (socket: Socket) =>
  new Promise<'closed'>((resolve) => socket.once('close', () => resolve('closed')));
const nextBytes = (socket: Socket) =>
  new Promise<string>((resolve) => socket.once('data', (bytes) => resolve(String(bytes))));

/** Status of one request on a connection, or `closed`. */
function ask(socket: Socket, path = '/'): Promise<string> {
  socket.write(GET(path));
  return Promise.race([nextBytes(socket).then((text) => text.slice(9, 12)), closing(socket)]);
}

describe('a handshake', () => {
  it('with a client certificate of many kilobytes passes', async () => {
    const { port, events } = await start({});
    expect(await ask(dial(port, `${client.certificatePem}${client.certificatePem.repeat(7)}`))).toBe('200');
    expect(events).toEqual([]);
  });

  it('is cut off at its limit, before the TLS library has it all', async () => {
    const { port, events } = await start({ handshakeBytes: 4096 });
    expect(await ask(dial(port, client.certificatePem.repeat(40)))).toBe('closed');
    expect(events).toEqual(['tls.refused ERR_HANDSHAKE_TOO_LARGE 127.0.0.1']);
    expect(await ask(dial(port))).toBe('200');
  });

  it('is not asked for compressed certificates (RFC 8879), whose size says nothing', async () => {
    const { port, events } = await start({ handshakeBytes: 4096 });
    const chain = client.certificatePem.repeat(40);
    expect(await ask(dial(port, chain, { certificateCompression: ['zlib', 'brotli', 'zstd'] }))).toBe(
      'closed',
    );
    expect(events).toEqual(['tls.refused ERR_HANDSHAKE_TOO_LARGE 127.0.0.1']);
  });

  it('has no limit where it is named `unbounded`', async () => {
    const { port } = await start({ handshakeBytes: 'unbounded' });
    expect(await ask(dial(port, client.certificatePem.repeat(40)))).toBe('200');
  });

  it('leaves the body of the first request unlimited', async () => {
    const { port } = await start({ handshakeBytes: 4096 });
    const socket = dial(port);
    const body = 'a'.repeat(300_000);
    socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    expect(await nextBytes(socket)).toContain('200 OK');
  });

  it('that the peer ends or breaks off is over at once', async () => {
    const { port, events } = await start({});
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const socket = keep(connectTcp(port, '127.0.0.1'));
      await once(socket, 'connect');
      socket[leave]();
      await closing(socket);
    }
    const socket = dial(port);
    expect(await ask(socket)).toBe('200');
    socket.end();
    await closing(socket);
    expect(events).toEqual([]);
  });
});

describe('a TLS server that gets a connection', () => {
  it('of another kind than TCP closes it, and lives on', async () => {
    const { limits, events } = limitsOf({});
    const tls = { cert: server.certificatePem, key: server.privateKeyPem };
    const https = createTlsServer(tls, (_request, response) => response.end('ok'));
    limits.limit(https, 'api');
    https.listen(0, '127.0.0.1');
    await once(https, 'listening');
    opened.push({ close: () => https.close() });
    const odd = new PassThrough();
    https.emit('connection', odd);
    expect(odd.destroyed).toBe(true);
    expect(events).toEqual(['connection.failed ERR']);
    expect(await ask(dial((https.address() as AddressInfo).port))).toBe('200');
  });
});

describe('the connections of one address', () => {
  it('are refused beyond their number', async () => {
    const { port, events } = await start({ inAll: 20, perAddress: 2 });
    for (const status of ['200', '200', 'closed', 'closed']) expect(await ask(dial(port))).toBe(status);
    expect(events).toEqual(Array(2).fill('connection.refused ERR_CONNECTION_LIMIT 127.0.0.1'));
  });

  it('have a limit of their own while their handshakes last', async () => {
    const { port, events } = await start({ inAll: 40, perAddress: 8 });
    for (const socket of [1, 2].map(() => keep(connectTcp(port, '127.0.0.1')))) await once(socket, 'connect');
    expect(await ask(dial(port))).toBe('closed');
    expect(events).toEqual(['connection.refused ERR_CONNECTION_LIMIT 127.0.0.1']);
  });

  it('may be as many as in all where the address is exempt', async () => {
    const { port, events } = await start({ inAll: 20, perAddress: 1, ...LOOPBACK });
    for (let count = 0; count < 5; count += 1) expect(await ask(dial(port))).toBe('200');
    expect(events).toEqual([]);
  });

  it('come back when others are closed', async () => {
    const { port } = await start({ inAll: 20, perAddress: 1 });
    const first = dial(port);
    expect(await ask(first)).toBe('200');
    expect(await ask(dial(port))).toBe('closed');
    first.destroy();
    await expect.poll(async () => ask(dial(port))).toBe('200');
  });

  it('cannot exempt everybody', () => {
    expect(() => createConnectionLimits({ exemptAddresses: ['0.0.0.0/0'] })).toThrow(TypeError);
    expect(() => createConnectionLimits({ exemptAddresses: ['a proxy'] })).toThrow(TypeError);
  });
});

describe('all connections together', () => {
  it('make room: the one that has been idle longest goes', async () => {
    const { port, events, served } = await start({ inAll: 3, ...LOOPBACK });
    const busy = dial(port);
    busy.write(GET('/never'));
    await expect.poll(() => served.length).toBe(1);
    const idle = dial(port);
    expect(await ask(idle)).toBe('200');
    expect(await ask(dial(port))).toBe('200');
    const gone = closing(idle);
    expect(await ask(dial(port))).toBe('200');
    await gone;
    expect(busy.destroyed).toBe(false);
    expect(events).toEqual(['connection.cut ERR_CONNECTION_LIMIT 127.0.0.1']);
  });

  it('refuse the newest when none is idle', async () => {
    const { port, events, served } = await start({ inAll: 1, ...LOOPBACK });
    dial(port).write(GET('/never'));
    await expect.poll(() => served.length).toBe(1);
    expect(await ask(dial(port))).toBe('closed');
    expect(events).toEqual(['connection.refused ERR_CONNECTION_LIMIT 127.0.0.1']);
  });

  it('end the oldest of too many unfinished handshakes', async () => {
    const { port } = await start({ inAll: 8, ...LOOPBACK });
    const silent = [...Array(4)].map(() => keep(connectTcp(port, '127.0.0.1')));
    const gone = closing(silent[0] as Socket);
    expect(await ask(dial(port))).toBe('200');
    await gone;
  });

  it('are no more than the limit, however many come at once', async () => {
    const { port } = await start({ inAll: 8, ...LOOPBACK });
    const silent = [...Array(60)].map(() => keep(connectTcp(port, '127.0.0.1')).resume());
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    expect(await ask(dial(port))).toBe('200');
    await expect.poll(() => silent.filter(({ destroyed }) => !destroyed).length).toBeLessThan(3);
  });
});

describe('answers that are not read', () => {
  it('end a connection that asks without waiting for them', async () => {
    const { port, events, served } = await start(LOOPBACK);
    const socket = dial(port);
    socket.write(GET('/never').repeat(400));
    await closing(socket);
    expect(served).toEqual(['/never']);
    expect(events).toEqual(['connection.cut ERR_ANSWERS_UNREAD 127.0.0.1']);
    expect(await ask(dial(port))).toBe('200');
  });

  it('count against the address that asks for them', async () => {
    const { port, events } = await start({});
    for (let count = 0; count < 12; count += 1) {
      const socket = dial(port);
      socket.write(GET('/never').repeat(400));
      await closing(socket);
    }
    expect(await ask(dial(port))).toBe('closed');
    expect(events.at(-1)).toBe('connection.refused ERR_HANDSHAKE_BUDGET 127.0.0.1');
  });

  it('end a connection that takes no byte of them', async () => {
    const { port, events } = await start({ unreadSeconds: 1, ...LOOPBACK }, 'x'.repeat(20_000_000));
    const socket = dial(port);
    socket.pause();
    socket.write(GET());
    await expect
      .poll(() => events, { timeout: 15_000 })
      .toEqual(['connection.cut ERR_ANSWERS_UNREAD 127.0.0.1']);
  });

  it('of few pipelined requests all come', async () => {
    const { port, events } = await start(LOOPBACK);
    const socket = dial(port);
    let text = '';
    socket.on('data', (bytes) => {
      text += String(bytes);
    });
    socket.write(GET().repeat(10));
    await expect.poll(() => text.match(/200 OK/g)?.length).toBe(10);
    expect(events).toEqual([]);
  });

  it('a connection ends with the answer to its last request', async () => {
    const { port } = await start({ requestsPerConnection: 2, ...LOOPBACK });
    const socket = dial(port);
    expect(await ask(socket)).toBe('200');
    socket.write(GET());
    expect(await nextBytes(socket)).toMatch(/connection: close/i);
    await closing(socket);
  });
});

describe('a server without TLS', () => {
  const listen = async (
    options: ConnectionLimitOptions,
  ): Promise<{ port: number; http: Server; events: string[] }> => {
    const { limits, events } = limitsOf(options);
    const http = createServer((_request, response) => response.end('ok'));
    limits.limit(http, 'gateway');
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    opened.push({ close: () => http.close() });
    return { port: (http.address() as AddressInfo).port, http, events };
  };

  it('has the same limits', async () => {
    const { port, events } = await listen({ inAll: 1 });
    const first = keep(connectTcp(port, '127.0.0.1'));
    expect(await ask(first)).toBe('200');
    await sleep(10);
    expect(await ask(keep(connectTcp(port, '127.0.0.1')))).toBe('closed');
    expect(events).toEqual(['connection.refused ERR_CONNECTION_LIMIT 127.0.0.1']);
  });

  it('goes on after each accept that the system refuses', async () => {
    const { port, http, events } = await listen({});
    for (let count = 0; count < 3; count += 1) {
      http.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE', syscall: 'accept' }));
    }
    expect(events).toEqual(Array(3).fill('connection.failed ERR'));
    expect(await ask(keep(connectTcp(port, '127.0.0.1')))).toBe('200');
  });
});
