import { Agent, createServer, request, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventName } from '../../../src/events.ts';
import { Admission, refuseOverload } from '../../../src/mutual-tls/limits/admission.ts';

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

let server: Server;
let admission: Admission;
let agent: Agent;
let events: EventName[];
afterEach(async () => {
  admission.close();
  agent.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function open(handler: RequestListener): Promise<void> {
  events = [];
  admission = new Admission({ fewest: 16, log: { emit: (name) => void events.push(name) } });
  agent = new Agent({ keepAlive: true, maxSockets: 300 });
  server = createServer((incoming, response) => {
    if (admission.admits(response)) handler(incoming, response);
    else refuseOverload(incoming, response);
  });
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

/** Work of three milliseconds that nothing else can run beside. */
const busy: RequestListener = (_incoming, response) => {
  setImmediate(() => {
    const until = performance.now() + 3;
    // Nothing else runs.
    while (performance.now() < until);
    response.end('done');
  });
};

describe('admission by the delay of the event loop', () => {
  it('refuses requests at once, with Retry-After, while more come than can be served', async () => {
    await open(busy);
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
    await expect.poll(async () => (await ask()).status).toBe(200);
  });

  it('serves requests that wait for others, however many and slow, while the loop is in time', async () => {
    await open((_incoming, response) => void sleep(600).then(() => response.end('done')));
    const statuses = await Promise.all(Array.from({ length: 300 }, async () => (await ask()).status));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(events).toEqual([]);
  });
});
