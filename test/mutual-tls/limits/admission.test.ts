import { once } from 'node:events';
import { Agent, createServer, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventName } from '../../../src/events.ts';
import {
  Admission,
  type AdmissionOptions,
  type RequestHandler,
} from '../../../src/mutual-tls/limits/admission.ts';
import { refuseOverload } from '../../../src/mutual-tls/limits/overload-answer.ts';

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

let server: Server;
let admission: Admission;
let agent: Agent;
let events: EventName[];
let sockets: Socket[];
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  admission.close();
  agent.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function open(handler: RequestHandler, options: AdmissionOptions = {}): Promise<void> {
  events = [];
  sockets = [];
  admission = new Admission({ log: { emit: (name) => void events.push(name) }, ...options });
  agent = new Agent({ keepAlive: true, maxSockets: 300 });
  server = createServer((incoming, response) => {
    if (!admission.serve(incoming, response, handler)) refuseOverload(incoming, response);
  });
  // On a busy machine a connection may wait longer than Node's five seconds, and end as its next request is sent.
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}

function ask(accept = 'application/json'): Promise<Answer> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, agent, headers: { accept } }, async (response) => {
      const chunks = await Array.fromAsync(response as AsyncIterable<Buffer>);
      resolve({
        status: response.statusCode ?? 0,
        retryAfter: response.headers['retry-after'],
        body: Buffer.concat(chunks).toString(),
      });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** Three hundred callers that never wait between two requests, until a browser and a program have been refused. */
async function overload(): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  const isRefused = { page: false, program: false };
  const caller = async (kind: keyof typeof isRefused) => {
    while (!isRefused.page || !isRefused.program) {
      const answer = await ask(kind === 'page' ? 'text/html' : undefined);
      answers.push(answer);
      isRefused[kind] ||= answer.status === 503;
    }
  };
  await Promise.all(Array.from({ length: 300 }, (_, at) => caller(at % 2 === 0 ? 'page' : 'program')));
  return answers;
}

const quick: RequestHandler = (_incoming, response) => response.end('done');

/** Work of three milliseconds that nothing else can run beside. */
const busy: RequestHandler = (_incoming, response) => {
  setImmediate(() => {
    const until = performance.now() + 3;
    // Nothing else runs.
    while (performance.now() < until);
    response.end('done');
  });
};

/** Waits for others, and keeps the loop free. */
const slow: RequestHandler = (_incoming, response) => void sleep(600).then(() => response.end('done'));

/** A caller that sends these bytes, and reads nothing. */
async function caller(bytes: string): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(bytes);
  return socket;
}

const statusOf = async () => (await ask()).status;
const GET = 'GET / HTTP/1.1\r\nHost: bank\r\n\r\n';

describe('admission by what can be started soon', () => {
  it('refuses requests at once, with Retry-After, while more come than can be served, and none later', async () => {
    let serve = quick;
    await open((...exchange) => serve(...exchange), { calmMilliseconds: 200 });
    // All connections at once: one opens in each turn of a busy loop.
    await Promise.all(Array.from({ length: 300 }, () => ask()));
    serve = busy;
    const answers = await overload();
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 503]));
    const refused = answers.find(({ status, body }) => status === 503 && body.startsWith('{'));
    expect(refused?.retryAfter).toBe('1');
    expect(JSON.parse(refused?.body ?? '')).toMatchObject({
      error: 'temporarily_unavailable',
      error_description: expect.stringMatching(/^ERR_SERVER_OVERLOADED/),
    });
    const page = answers.find(({ status, body }) => status === 503 && body.startsWith('<!doctype html>'));
    expect(page?.body).toContain('http-equiv="refresh"');
    expect(events).toContain('server.overloaded');
    // Served again as soon as the load is over.
    await expect.poll(statusOf).toBe(200);
    // The bound of an earlier load is no measure of the next requests.
    await expect.poll(() => events).toContain('server.relieved');
    serve = slow;
    const statuses = await Promise.all(Array.from({ length: 300 }, statusOf));
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  it('serves requests that wait for others, however many and slow, while the loop is in time', async () => {
    await open(slow);
    const statuses = await Promise.all(Array.from({ length: 300 }, statusOf));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(events).toEqual([]);
  });

  it('counts a request whose caller has left until the work on it has ended', async () => {
    const { promise: work, resolve: endWork } = Promise.withResolvers<void>();
    let begun = 0;
    let isOver = false;
    const handler: RequestHandler = async (_incoming, response) => {
      begun += 1;
      if (!isOver) await work;
      response.end('done');
    };
    await open(handler, { most: 4, calmMilliseconds: 60_000 });
    const callers = await Promise.all(Array.from({ length: 4 }, () => caller(GET)));
    await expect.poll(() => begun).toBe(4);
    for (const socket of callers) socket.destroy();
    await expect.poll(() => connectionCount()).toBe(0);
    expect(await statusOf()).toBe(503);
    isOver = true;
    endWork();
    await expect.poll(statusOf).toBe(200);
  });

  it('gives no place to requests whose bodies have not come, until they are there (N1)', async () => {
    const { promise: work, resolve: endWork } = Promise.withResolvers<void>();
    let whole = 0;
    const handler: RequestHandler = async (incoming, response) => {
      if (incoming.method === 'POST') {
        for await (const _bytes of incoming);
        whole += 1;
        await work;
      }
      response.end('done');
    };
    await open(handler, { most: 4 });
    const head = 'POST / HTTP/1.1\r\nHost: bank\r\nContent-Length: 4\r\n\r\nab';
    const callers = await Promise.all(Array.from({ length: 4 }, () => caller(head)));
    await expect.poll(statusOf).toBe(200);
    for (const socket of callers) socket.write('cd');
    await expect.poll(() => whole).toBe(4);
    await expect.poll(statusOf).toBe(503);
    endWork();
    await expect.poll(statusOf).toBe(200);
  });

  it('gives no place to answers that their callers do not read (N1)', async () => {
    let isLong = true;
    const handler: RequestHandler = (_incoming, response) =>
      void response.end(isLong ? Buffer.alloc(8_000_000) : 'done');
    await open(handler, { most: 4 });
    await Promise.all(Array.from({ length: 4 }, async () => (await caller(GET)).pause()));
    await expect.poll(() => connectionCount()).toBe(4);
    isLong = false;
    await expect.poll(statusOf).toBe(200);
  });

  it('recovers the places of pipelined requests whose connection has ended', async () => {
    let begun = 0;
    let isOver = false;
    const handler: RequestHandler = (_incoming, response) => {
      begun += 1;
      if (isOver) response.end('done');
    };
    await open(handler, { most: 4 });
    const socket = await caller(GET.repeat(4));
    await expect.poll(() => begun).toBe(4);
    expect(await statusOf()).toBe(503);
    isOver = true;
    socket.destroy();
    await expect.poll(statusOf).toBe(200);
  });
});

function connectionCount(): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}
