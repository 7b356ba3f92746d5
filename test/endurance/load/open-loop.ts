import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';

/*
 * Requests at a fixed rate, whatever becomes of the earlier ones: a closed loop would wait for a slow server, and hide
 * what its callers wait. Runs in a process of its own.
 */
export interface Offer {
  readonly port: number;
  readonly host: string;
  readonly path: string;
  readonly body: string;
  /** Requests a second; 0: as many as the connections take, one after the other. */
  readonly rate: number;
  readonly seconds: number;
  readonly connections: number;
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface Outcome {
  /** By status, the number of answers and their times in milliseconds from the due time of the request. */
  readonly answers: Readonly<
    Record<string, { readonly count: number; readonly p50: number; readonly p99: number }>
  >;
  readonly sent: number;
  /** Requests that found no free connection. */
  readonly unsent: number;
  /** Connections that ended. */
  readonly lost: number;
  readonly seconds: number;
}

const END_OF_HEADERS = Buffer.from('\r\n\r\n');

async function offer(options: Offer): Promise<Outcome> {
  const request = Buffer.from(
    `POST ${options.path} HTTP/1.1\r\nhost: ${options.host}\r\ncontent-type: application/x-www-form-urlencoded\r\n` +
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
  const times = new Map<string, number[]>();
  const free: TLSSocket[] = [];
  const dueTimes = new Map<TLSSocket, number>();
  let sent = 0;
  let unsent = 0;
  let lost = 0;
  let isOver = false;

  const send = (socket: TLSSocket, due: number) => {
    dueTimes.set(socket, due);
    socket.write(request);
    sent += 1;
  };
  const answered = (socket: TLSSocket, status: string) => {
    const now = performance.now();
    const list = times.get(status) ?? [];
    times.set(status, list);
    list.push(now - (dueTimes.get(socket) ?? now));
    dueTimes.delete(socket);
    if (options.rate === 0 && !isOver) send(socket, now);
    else free.push(socket);
  };
  for (let at = 0; at < options.connections; at += 1) {
    const socket = connect(tls);
    await once(socket, 'secureConnect');
    socket.setNoDelay(true);
    let received: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const head = received.indexOf(END_OF_HEADERS);
      if (head < 0) return;
      const headers = received.toString('latin1', 0, head);
      const length = Number(/content-length: (\d+)/i.exec(headers)?.[1]);
      if (received.length < head + 4 + length) return;
      received = Buffer.alloc(0);
      answered(socket, headers.slice(9, 12));
    });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (isOver) return;
      lost += 1;
      dueTimes.delete(socket);
      const place = free.indexOf(socket);
      if (place >= 0) free.splice(place, 1);
    });
    free.push(socket);
  }

  const startedAt = performance.now();
  const until = startedAt + options.seconds * 1000;
  if (options.rate === 0) for (const socket of free.splice(0)) send(socket, performance.now());
  await new Promise<void>((resolve) => {
    let due = 0;
    const turn = () => {
      const now = performance.now();
      if (now > until) {
        resolve();
        return;
      }
      for (; options.rate > 0 && due < ((now - startedAt) / 1000) * options.rate; due += 1) {
        const socket = free.pop();
        if (socket === undefined) unsent += 1;
        else send(socket, startedAt + (due / options.rate) * 1000);
      }
      setTimeout(turn, 1);
    };
    turn();
  });
  isOver = true;
  const seconds = (performance.now() - startedAt) / 1000;
  for (const socket of [...free, ...dueTimes.keys()]) socket.destroy();
  const answers = Object.fromEntries(
    [...times].map(([status, list]) => {
      list.sort((a, b) => a - b);
      const at = (share: number) => list[Math.floor(share * (list.length - 1))] ?? 0;
      return [status, { count: list.length, p50: at(0.5), p99: at(0.99) }];
    }),
  );
  return { answers, sent, unsent, lost, seconds };
}

process.on('message', (options: Offer) => {
  void offer(options).then((outcome) => process.send?.(outcome));
});
