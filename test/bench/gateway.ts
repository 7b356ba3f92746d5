import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { thumbprintOf } from '../mutual-tls/thumbprint.ts';
import { startProxy } from '../mutual-tls/proxies/real-proxy.ts';
import { createTestCertificates } from '../resource-server/issuer.ts';

// What the gateway costs: an API behind nginx with the client's certificate, and the same with `auth_request` to the
// gateway before it, in the same rounds, by the documented lines. Warm tokens, connections that are kept.
const CONNECTIONS = 8;
const ROUNDS = 7;
const ROUND_MILLISECONDS = 1000;

const certificates = await createTestCertificates();
const servers = fork(fileURLToPath(new URL('./gateway/servers.ts', import.meta.url)), [
  thumbprintOf(certificates.one.der),
]);
const [ports] = (await once(servers, 'message')) as [{ api: number; gateway: number; token: string }];
const tls = { ...certificates.server, caPem: certificates.authority.certificatePem };
// nginx ends a connection after 1000 requests, unless it is told otherwise.
const kept = (text: string) => text.replace('server {', 'server {\n  keepalive_requests 100000000;');
const alone = await startProxy('nginx', { tls, apiPort: ports.api, change: kept });
const guarded = await startProxy('nginx', {
  tls,
  apiPort: ports.api,
  snippet: 'nginx with the gateway',
  change: (text) => kept(text.replaceAll('127.0.0.1:4000', `127.0.0.1:${ports.gateway}`)),
});

const request = `GET /accounts HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ports.token}\r\n\r\n`;
const results: { readonly alone: number; readonly guarded: number }[] = [];
for (const { port } of [alone, guarded]) await loadFor(port, 300);
for (let round = 0; round < ROUNDS; round += 1) {
  // Each round begins with the other one.
  const first = round % 2 === 0 ? await loadFor(alone.port, ROUND_MILLISECONDS) : undefined;
  const second = await loadFor(guarded.port, ROUND_MILLISECONDS);
  results.push({ alone: first ?? (await loadFor(alone.port, ROUND_MILLISECONDS)), guarded: second });
}
const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const perSecond = (name: 'alone' | 'guarded') => Math.round(median(results.map((one) => one[name])));
const ratio = median(results.map((one) => one.guarded / one.alone));
console.log(
  `nginx alone: ${perSecond('alone')} requests/s; with the gateway: ${perSecond('guarded')} requests/s; ` +
    `${ratio.toFixed(3)} of the throughput`,
);
await Promise.all([alone.close(), guarded.close()]);
servers.disconnect();

/** Requests answered with 200 within the time; throws at any other answer. */
async function loadFor(port: number, milliseconds: number): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => connection(port)));
  let answered = 0;
  let isOver = false;
  const done = sockets.map(async (socket) => {
    socket.once('close', () => {
      if (!isOver) throw new Error('nginx closed a connection');
    });
    while (!isOver) {
      socket.write(request);
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      let text = chunk.toString('latin1');
      while (!text.includes('{"accounts":[]}')) {
        if (!text.startsWith('HTTP/1.1 200')) throw new Error(`unexpected answer: ${text.slice(0, 200)}`);
        text += String(((await once(socket, 'data')) as [Buffer])[0]);
      }
      answered += 1;
    }
    socket.destroy();
  });
  setTimeout(() => {
    isOver = true;
  }, milliseconds);
  await Promise.all(done);
  return (answered * 1000) / milliseconds;
}

async function connection(port: number): Promise<TLSSocket> {
  const { one, authority } = certificates;
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: authority.certificatePem,
    cert: one.certificatePem,
    key: one.privateKeyPem,
  });
  await once(socket, 'secureConnect');
  return socket;
}
