import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';

/** What the generator is asked for, and what it tells. It runs in a process of its own and does as little as it can. */
export interface Burst {
  readonly port: number;
  readonly host: string;
  /** Default: the token endpoint. */
  readonly path?: string;
  readonly accept?: string;
  readonly body: string;
  readonly seconds: number;
  readonly connections: number;
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}
export interface Tally {
  readonly count: number;
  readonly errors: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

const END_OF_HEADERS = Buffer.from('\r\n\r\n');

async function burst(options: Burst): Promise<Tally> {
  const request = Buffer.from(
    `POST ${options.path ?? '/token'} HTTP/1.1\r\nhost: ${options.host}\r\ncontent-type: application/x-www-form-urlencoded\r\n` +
      (options.accept === undefined ? '' : `accept: ${options.accept}\r\n`) +
      `content-length: ${Buffer.byteLength(options.body)}\r\n\r\n${options.body}`,
  );
  const tls = {
    host: '127.0.0.1',
    port: options.port,
    servername: 'localhost',
    ca: readFileSync(options.caFile),
    cert: readFileSync(options.certificateFile),
    key: readFileSync(options.keyFile),
    ALPNProtocols: ['http/1.1'],
  };
  const sockets = await Promise.all(
    Array.from({ length: options.connections }, async () => {
      const socket = connect(tls);
      await once(socket, 'secureConnect');
      socket.setNoDelay(true);
      return socket;
    }),
  );
  const times: number[] = [];
  let errors = 0;
  const startedAt = performance.now();
  const until = startedAt + options.seconds * 1000;
  await Promise.all(sockets.map((socket) => loop(socket)));
  const seconds = (performance.now() - startedAt) / 1000;
  for (const socket of sockets) socket.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? 0;
  return { count: times.length, errors, seconds, p50: at(0.5), p99: at(0.99) };

  function loop(socket: TLSSocket): Promise<void> {
    return new Promise((resolve, reject) => {
      let received: Buffer = Buffer.alloc(0);
      let sentAt = performance.now();
      socket.on('error', reject);
      socket.on('close', () => resolve());
      socket.on('data', (chunk: Buffer) => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        const head = received.indexOf(END_OF_HEADERS);
        if (head < 0) return;
        const headers = received.toString('latin1', 0, head);
        const length = Number(/content-length: (\d+)/i.exec(headers)?.[1]);
        if (received.length < head + 4 + length) return;
        const now = performance.now();
        if (headers.startsWith('HTTP/1.1 200')) times.push(now - sentAt);
        else errors += 1;
        received = Buffer.alloc(0);
        if (now > until) {
          resolve();
          return;
        }
        sentAt = now;
        socket.write(request);
      });
      socket.write(request);
    });
  }
}

process.on('message', (options: Burst) => {
  void burst(options).then((tally) => process.send?.(tally));
});
