import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { connect, type TLSSocket } from 'node:tls';

/*
 * Requests at a fixed rate, whatever becomes of the earlier ones: a closed loop would wait for a slow server, and hide
 * what its callers wait. Runs in a process of its own, and says how late it was itself.
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

export interface Spread {
  readonly p50: number;
  readonly p99: number;
}

export interface Answers {
  readonly count: number;
  /** Milliseconds from the due moment of the request. */
  readonly fromDue: Spread;
  /** Milliseconds from the moment at which the generator wrote the request. */
  readonly fromSent: Spread;
}

export interface Outcome {
  /** By status. */
  readonly answers: Readonly<Record<string, Answers>>;
  readonly sent: number;
  /** Requests that found no free connection. */
  readonly unsent: number;
  /** Connections that ended. */
  readonly lost: number;
  readonly seconds: number;
  /** How late the loop of the generator was, in milliseconds: a part of every time above. */
  readonly generatorDelay: Spread;
  readonly generatorCpuSeconds: number;
}

interface Pending {
  readonly due: number;
  readonly sent: number;
}

const END_OF_HEADERS = Buffer.from('\r\n\r\n');
const HANDSHAKES_AT_ONCE = 20;

/** The connections of a generator. */
class Connections {
  readonly free: TLSSocket[] = [];
  readonly pending = new Map<TLSSocket, Pending>();
  lost = 0;
  isOver = false;
  readonly #request: Buffer;
  readonly #onAnswer: (socket: TLSSocket, status: string) => void;

  constructor(request: Buffer, onAnswer: (socket: TLSSocket, status: string) => void) {
    this.#request = request;
    this.#onAnswer = onAnswer;
  }

  async open({ port, connections, ...files }: Offer): Promise<void> {
    const tls = {
      host: '127.0.0.1',
      port,
      servername: 'localhost',
      ca: readFileSync(files.caFile),
      cert: readFileSync(files.certificateFile),
      key: readFileSync(files.keyFile),
      ALPNProtocols: ['http/1.1'],
    };
    let left = connections;
    const loop = async () => {
      for (; left > 0; this.#follow(await this.#secure(tls))) left -= 1;
    };
    await Promise.all(Array.from({ length: HANDSHAKES_AT_ONCE }, loop));
  }

  close(): void {
    this.isOver = true;
    for (const socket of [...this.free, ...this.pending.keys()]) socket.destroy();
  }

  async #secure(tls: object): Promise<TLSSocket> {
    const socket = connect(tls);
    await once(socket, 'secureConnect');
    socket.setNoDelay(true);
    // A connection without a request is closed before a slow machine has opened the last of them.
    socket.write(this.#request);
    await once(socket, 'data');
    return socket;
  }

  #follow(socket: TLSSocket): void {
    let received: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const head = received.indexOf(END_OF_HEADERS);
      if (head < 0) return;
      const headers = received.toString('latin1', 0, head);
      const length = Number(/content-length: (\d+)/i.exec(headers)?.[1]);
      if (received.length < head + 4 + length) return;
      received = Buffer.alloc(0);
      this.#onAnswer(socket, headers.slice(9, 12));
    });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (this.isOver) return;
      this.lost += 1;
      this.pending.delete(socket);
      const place = this.free.indexOf(socket);
      if (place >= 0) this.free.splice(place, 1);
    });
    this.free.push(socket);
  }
}

async function offer(options: Offer): Promise<Outcome> {
  const request = Buffer.from(
    `POST ${options.path} HTTP/1.1\r\nhost: ${options.host}\r\ncontent-type: application/x-www-form-urlencoded\r\n` +
      `content-length: ${Buffer.byteLength(options.body)}\r\n\r\n${options.body}`,
  );
  const times = new Map<string, Pending[]>();
  let sent = 0;
  let unsent = 0;
  const send = (socket: TLSSocket, due: number) => {
    connections.pending.set(socket, { due, sent: performance.now() });
    socket.write(request);
    sent += 1;
  };
  const connections = new Connections(request, (socket, status) => {
    const now = performance.now();
    const pending = connections.pending.get(socket);
    connections.pending.delete(socket);
    const list = times.get(status) ?? [];
    times.set(status, list);
    if (pending !== undefined) list.push({ due: now - pending.due, sent: now - pending.sent });
    if (options.rate === 0 && !connections.isOver) send(socket, now);
    else connections.free.push(socket);
  });
  await connections.open(options);

  const delay = monitorEventLoopDelay({ resolution: 2 });
  delay.enable();
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const until = startedAt + options.seconds * 1000;
  if (options.rate === 0) for (const socket of connections.free.splice(0)) send(socket, performance.now());
  await new Promise<void>((resolve) => {
    let due = 0;
    const turn = () => {
      const now = performance.now();
      if (now > until) {
        resolve();
        return;
      }
      for (; options.rate > 0 && due < ((now - startedAt) / 1000) * options.rate; due += 1) {
        const socket = connections.free.pop();
        if (socket === undefined) unsent += 1;
        else send(socket, startedAt + (due / options.rate) * 1000);
      }
      setTimeout(turn, 1);
    };
    turn();
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  delay.disable();
  connections.close();
  const answers = Object.fromEntries(
    [...times].map(([status, list]) => [
      status,
      {
        count: list.length,
        fromDue: spreadOf(list.map((one) => one.due)),
        fromSent: spreadOf(list.map((one) => one.sent)),
      },
    ]),
  );
  const generatorDelay = { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6 };
  const generatorCpuSeconds = (user + system) / 1e6;
  return { answers, sent, unsent, lost: connections.lost, seconds, generatorDelay, generatorCpuSeconds };
}

function spreadOf(times: number[]): Spread {
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

process.on('message', (options: Offer) => {
  void offer(options).then((outcome) => process.send?.(outcome));
});
