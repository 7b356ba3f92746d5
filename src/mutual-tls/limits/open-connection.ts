import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { OpenBankingError } from '../../errors.ts';
import type { AddressBudget } from './address-budgets.ts';

/** Requests that may wait behind the one that is answered. Clients that pipeline have 10 at once at most. */
const MAX_WAITING = 10;

/** One connection, and what it has asked and not read. */
export class OpenConnection {
  readonly server: HttpServer | HttpsServer;
  readonly socket: Socket;
  /** Name of its server in events. */
  readonly listener: string;
  /** Where its requests come from: the socket itself, or the TLS socket on it. */
  httpSocket: Socket;
  /** Undefined where the address is exempt. */
  budget: AddressBudget | undefined;
  requests = 0;
  unanswered = 0;
  /** Monotonic milliseconds of its last answer, or of its handshake. */
  idleSince = performance.now();
  readonly #waiting: (() => void)[] = [];
  #isWatched = false;

  constructor(server: HttpServer | HttpsServer, socket: Socket, listener: string) {
    this.server = server;
    this.socket = socket;
    this.listener = listener;
    this.httpSocket = socket;
  }

  /** Whether no more requests may wait for their answers. */
  get isFull(): boolean {
    return this.#waiting.length === MAX_WAITING;
  }

  /** Counts a request, and answers it once the answers before it are out. */
  begin(answer: () => void): void {
    this.unanswered += 1;
    if (this.unanswered === 1) answer();
    else this.#waiting.push(answer);
  }

  /** Counts an answer, and begins the next; true when none is due. */
  end(): boolean {
    this.unanswered -= 1;
    const next = this.#waiting.shift();
    if (next !== undefined && !this.httpSocket.destroyed) next();
    return this.unanswered === 0;
  }

  fullRefusal(): OpenBankingError<'ERR_ANSWERS_UNREAD'> {
    const problem = `${MAX_WAITING} requests of the connection wait for the answer to another`;
    return new OpenBankingError('ERR_ANSWERS_UNREAD', { problem });
  }

  /** Limits the time without progress while bytes of an answer wait for the peer. */
  watchUnread(seconds: number, onStalled: (refusal: OpenBankingError) => void): void {
    const isWaiting = this.httpSocket.writableLength > 0;
    const isTimed = this.httpSocket.timeout === seconds * 1000;
    if (isWaiting && !isTimed) this.httpSocket.setTimeout(seconds * 1000);
    if (!isWaiting && isTimed && this.unanswered > 0) this.httpSocket.setTimeout(0);
    if (!isWaiting || this.#isWatched) return;
    this.#isWatched = true;
    this.httpSocket.on('timeout', () => {
      if (this.httpSocket.writableLength === 0) return;
      const problem = `no byte of an answer was taken for ${seconds} seconds`;
      onStalled(new OpenBankingError('ERR_ANSWERS_UNREAD', { problem }));
    });
  }
}

/**
 * Ends the parser of a server's connection, which would go on to make a request of each that has been read already:
 * hundreds, at 12 ms a connection instead of 3. The answer 2 stops it as an upgrade does.
 */
export function endParsing(socket: Socket): void {
  const parser: unknown = 'parser' in socket ? socket.parser : undefined;
  if (typeof parser === 'object' && parser !== null && 'onIncoming' in parser) parser.onIncoming = () => 2;
}

/**
 * Whether a connection has been idle beyond the time limits of its server. Node's own limit begins anew with each byte
 * between two requests, such as an empty line.
 */
export function endsIdle({ server, unanswered, idleSince }: OpenConnection, now: number): boolean {
  const { keepAliveTimeout, headersTimeout } = server;
  if (unanswered > 0 || keepAliveTimeout === 0 || headersTimeout === 0) return false;
  // A head that begins in the last moment has its own limit.
  return now - idleSince > keepAliveTimeout + headersTimeout + 2000;
}
