import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { END_OF_HEADERS, exchanged } from './exchange.ts';

/** A certificate and its key, as PEM. */
export interface Identity {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** What the generator is asked for. It runs in a process of its own and does as little as it can. */
export interface Burst {
  readonly port: number;
  readonly host: string;
  /** Default: the token endpoint. */
  readonly path?: string;
  /** Default: `POST` of a form. */
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  /** Sent in turns in place of `body`. */
  readonly bodies?: readonly string[];
  /** Each of `bodies` is sent once, and the last one ends the burst. */
  readonly isOnce?: boolean;
  /** Default 200. */
  readonly expected?: number;
  readonly seconds: number;
  readonly connections: number;
  /** Requests that are under way at most, over the connections in turns. Default: one on each. */
  readonly atOnce?: number;
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** A new connection for each request; its handshake is part of the request's time. */
  readonly isFresh?: boolean;
  /** The same, each connection with the next of these; the last one ends the burst. */
  readonly identities?: readonly Identity[];
  /** Whether the tally has the bodies of the answers. */
  readonly keepsAnswers?: boolean;
}
export interface Tally {
  readonly count: number;
  readonly errors: number;
  /** The first answer with another status. */
  readonly firstError?: string | undefined;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly answers: readonly string[];
}

async function burst(options: Burst): Promise<Tally> {
  const { bodies = [options.body], identities, keepsAnswers = false } = options;
  const isFresh = options.isFresh === true || identities !== undefined;
  const identityOfAll = { cert: readFileSync(options.certificateFile), key: readFileSync(options.keyFile) };
  const tls = {
    ...{ host: '127.0.0.1', port: options.port, servername: 'localhost', ALPNProtocols: ['http/1.1'] },
    ca: readFileSync(options.caFile),
  };
  const requests = bodies.map((body) => requestOf(options, body));
  const expected = `HTTP/1.1 ${options.expected ?? 200}`;
  const answers: string[] = [];
  const times: number[] = [];
  let [sent, errors] = [0, 0];
  let firstError: string | undefined;

  const open = (count: number) =>
    Promise.all(Array.from({ length: count }, () => connected({ ...tls, ...identityOfAll })));
  let sockets: TLSSocket[] = [];
  // On a busy machine a server ends connections that wait too long while the others are made.
  while (!isFresh && sockets.length < options.connections) {
    const more = await open(options.connections - sockets.length);
    sockets = [...sockets, ...more].filter(isOpen);
  }
  process.send?.('connected');
  const startedAt = performance.now();
  const until = startedAt + options.seconds * 1000;
  const loops = Math.min(options.connections, options.atOnce ?? options.connections);
  await Promise.all(
    Array.from({ length: loops }, (_, at) => loop(sockets.filter((_socket, of) => of % loops === at))),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  for (const socket of sockets) socket.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? 0;
  return { count: times.length, errors, firstError, seconds, p50: at(0.5), p99: at(0.99), answers };

  async function loop(own: TLSSocket[]): Promise<void> {
    for (let turn = 0; performance.now() < until; turn += 1) {
      let kept = own[turn % own.length];
      const number = sent;
      const identity = identities?.[number];
      const isOver = options.isOnce === true && number >= bodies.length;
      if (isOver || (identities !== undefined && identity === undefined)) return;
      sent += 1;
      const sentAt = performance.now();
      const as =
        identity === undefined ? identityOfAll : { cert: identity.certificatePem, key: identity.keyPem };
      if (kept !== undefined && !isOpen(kept)) {
        kept = await connected({ ...tls, ...identityOfAll });
        own[turn % own.length] = kept;
      }
      const socket = kept ?? (await connected({ ...tls, ...as }));
      const answer = await exchanged(socket, requests[number % requests.length] ?? Buffer.alloc(0));
      if (kept === undefined) socket.destroy();
      if (answer.startsWith(expected)) times.push(performance.now() - sentAt);
      else {
        errors += 1;
        firstError ??= answer;
      }
      if (keepsAnswers) answers.push(answer.slice(answer.indexOf(END_OF_HEADERS) + END_OF_HEADERS.length));
    }
  }
}

function requestOf({ path = '/token', method = 'POST', host, headers = {} }: Burst, body: string): Buffer {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const fields = Object.entries({
    ...{ host, ...(method === 'POST' ? form : {}), ...headers },
    ...(method === 'POST' ? { 'content-length': String(Buffer.byteLength(body)) } : {}),
  });
  const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${head}\r\n${body}`);
}

/** A server ends a connection that is idle for too long. */
function isOpen({ readableEnded, destroyed }: TLSSocket): boolean {
  return !readableEnded && !destroyed;
}

async function connected(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect(options);
  await once(socket, 'secureConnect');
  // An exchange reports it, and between exchanges the state of the socket.
  return socket.setNoDelay(true).on('error', () => {});
}

process.on('message', (options: Burst) => {
  const onFault = (error: unknown) => process.send?.({ fault: String(error) });
  void burst(options).then((tally) => process.send?.(tally), onFault);
});
