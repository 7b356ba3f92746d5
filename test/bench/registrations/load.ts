import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import { cpuSecondsOfProcess } from '../tokens/contenders.ts';
import { exchanged } from '../tokens/exchange.ts';

/** Requests of one connection, which are sent in turns. */
export interface Line {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly bodies: readonly string[];
}
/** What the load is asked for, and what it answers. It runs in a process of its own. */
export interface LoadOrder {
  readonly port: number;
  /** The process of the server. */
  readonly pid: number;
  readonly host: string;
  readonly caFile: string;
  readonly path: string;
  readonly contentType: string;
  /** Of the status line. */
  readonly expected: '200' | '201';
  readonly lines: readonly Line[];
  /** Until then, or, where `isOnce`, until each body was sent. */
  readonly seconds: number;
  readonly isOnce?: boolean;
  readonly atOnce: number;
}
export interface LoadTally {
  readonly count: number;
  /** The first other answers. */
  readonly errors: readonly string[];
  readonly seconds: number;
  /** Of the server, without the handshakes. */
  readonly cpuSeconds: number;
  readonly p50: number;
  readonly p99: number;
}

async function load(order: LoadOrder): Promise<LoadTally> {
  const { lines, atOnce, expected } = order;
  const ca = readFileSync(order.caFile);
  const sockets: TLSSocket[] = [];
  for (const { certificateFile, keyFile } of lines) {
    const [cert, key] = [readFileSync(certificateFile), readFileSync(keyFile)];
    const to = { host: '127.0.0.1', port: order.port, servername: 'localhost', ALPNProtocols: ['http/1.1'] };
    const socket = connect({ ...to, ca, cert, key });
    await once(socket, 'secureConnect');
    sockets.push(socket.setNoDelay(true));
  }
  const times: number[] = [];
  const errors: string[] = [];
  const cpuBefore = cpuSecondsOfProcess(order.pid);
  const startedAt = performance.now();
  const until = startedAt + order.seconds * 1000;
  const taken = lines.map(() => 0);
  await Promise.all(Array.from({ length: atOnce }, (_, first) => loop(first)));
  const seconds = (performance.now() - startedAt) / 1000;
  const cpuSeconds = cpuSecondsOfProcess(order.pid) - cpuBefore;
  for (const socket of sockets) socket.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? 0;
  return {
    ...{ count: times.length, errors: errors.slice(0, 3) },
    ...{ seconds, cpuSeconds, p50: at(0.5), p99: at(0.99) },
  };

  /** One request at a time, over every `atOnce`-th line. */
  async function loop(first: number): Promise<void> {
    for (let line = first, unsent = 0; performance.now() < until; line += atOnce) {
      if (line >= lines.length) line = first;
      const { bodies } = lines[line] ?? { bodies: [] };
      const next = taken[line] ?? 0;
      if (order.isOnce === true && next >= bodies.length) {
        unsent += 1;
        if (unsent > lines.length / atOnce) return;
        continue;
      }
      unsent = 0;
      taken[line] = next + 1;
      const socket = sockets[line];
      if (socket === undefined) throw new Error('no connection');
      const sentAt = performance.now();
      const answer = await exchanged(socket, requestOf(bodies[next % bodies.length] ?? ''));
      if (answer.startsWith(`HTTP/1.1 ${expected}`)) times.push(performance.now() - sentAt);
      else errors.push(answer.slice(0, 1500));
    }
  }

  function requestOf(body: string): string {
    return (
      `POST ${order.path} HTTP/1.1\r\nhost: ${order.host}\r\ncontent-type: ${order.contentType}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    );
  }
}

process.on('message', (order: LoadOrder) => {
  void load(order).then((tally) => process.send?.(tally));
});
