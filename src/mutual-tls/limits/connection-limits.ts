import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { BlockList, isIPv6, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { OpenBankingError } from '../../errors.ts';
import { type Log, silentLog } from '../../events.ts';
import { addAddressRange } from '../address-ranges.ts';
import { type AddressBudget, AddressBudgets } from './address-budgets.ts';
import {
  type ConnectionLimitOptions,
  type ConnectionSettings,
  connectionSettings,
} from './connection-settings.ts';
import { type HandshakeInputOptions, watchTlsSockets, withBoundedHandshake } from './handshake-input.ts';
import { networkOf } from '../../network-of.ts';
import { endParsing, endsIdle, OpenConnection } from './open-connection.ts';

const SWEEP_MILLISECONDS = 1000;
/** Charged to the address of a connection that was closed for its many requests: ten times what they cost. */
const FLOOD_MILLISECONDS = 50;

type ConnectionState = 'handshake' | 'idle' | 'busy';

/** Open connections of one listener, by their state. */
export interface ConnectionCount extends Readonly<Record<ConnectionState, number>> {
  readonly listener: string;
}

type Refusal = OpenBankingError<'ERR_CONNECTION_LIMIT' | 'ERR_HANDSHAKE_BUDGET'>;

/**
 * The limits of all connections of this process, for any number of its servers: how many there are, in all and by
 * address; what their handshakes may send and cost; and what a connection may leave unread.
 *
 * A new connection over a limit of its address is refused. Over a limit of the process, the oldest unfinished
 * handshake or the connection that has been idle longest makes room.
 */
export class ConnectionLimits {
  #settings: ConnectionSettings;
  #exempt: BlockList;
  readonly #log: Log;
  readonly #budgets: AddressBudgets;
  readonly #open = new Set<OpenConnection>();
  /** Oldest first. */
  readonly #pending = new Set<OpenConnection>();
  /** Longest idle first. */
  readonly #idle = new Set<OpenConnection>();
  readonly #bySocket = new WeakMap<Socket, OpenConnection>();
  #sweep: NodeJS.Timeout | undefined;

  /** @throws TypeError for an exempt address that is none */
  constructor(options: ConnectionLimitOptions) {
    this.#settings = connectionSettings(options);
    this.#log = options.log ?? silentLog;
    this.#budgets = new AddressBudgets(this.#settings.handshakePercent, () => performance.now());
    this.#exempt = exemptFrom(options);
  }

  /**
   * Replaces the limits. New connections and requests are held against them; open connections over them stay.
   *
   * @throws TypeError for an exempt address that is none
   */
  change(options: Omit<ConnectionLimitOptions, 'log'>): void {
    this.#exempt = exemptFrom(options);
    this.#settings = connectionSettings(options);
    this.#budgets.change(this.#settings.handshakePercent);
  }

  /**
   * Limits the connections of a server. Called once its request handler is there, and before it listens. With the
   * option `certificateCompression` of node:tls the bytes of a handshake would be no bound.
   *
   * @throws TypeError when the TLS sockets of this Node release are not known
   */
  limit(server: HttpServer | HttpsServer, listener: string): void {
    if (server instanceof HttpsServer) watchTlsSockets();
    const opening = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      const serve = () => {
        for (const listen of opening) listen.call(server, socket);
      };
      this.#accept(new OpenConnection(server, socket, listener), serve);
    });
    const answering = server.listeners('request');
    server.removeAllListeners('request');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#answer(request, response, () => {
        for (const answer of answering) answer.call(server, request, response);
      });
    });
    // A failed accept leaves the server listening; without a listener the error would end the process.
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.syscall === 'accept') this.#log.emit('connection.failed', { listener, error });
    });
  }

  /** Most connections at a time. */
  get most(): number {
    return this.#settings.inAll;
  }

  /** The open connections of each listener: in their handshake, idle, and with a request. */
  counts(): readonly ConnectionCount[] {
    const counts = new Map<string, Record<ConnectionState, number>>();
    for (const connection of this.#open) {
      const of = counts.get(connection.listener) ?? { handshake: 0, idle: 0, busy: 0 };
      counts.set(connection.listener, of);
      of[this.#pending.has(connection) ? 'handshake' : this.#idle.has(connection) ? 'idle' : 'busy'] += 1;
    }
    return [...counts].map(([listener, of]) => ({ listener, ...of }));
  }

  #accept(connection: OpenConnection, serve: () => void): void {
    if (connection.socket.destroyed) return;
    const budget = this.#budgetOf(connection.socket);
    const refusal = this.#refusalFor(budget) ?? this.#refusalWithoutRoom();
    if (refusal !== undefined) {
      this.#report('connection.refused', connection, refusal);
      connection.socket.destroy();
      return;
    }
    connection.budget = budget;
    this.#add(connection, budget);
    if (connection.server instanceof HttpsServer) this.#handshake(connection, budget, serve);
    else {
      this.#bySocket.set(connection.socket, connection);
      this.#rest(connection);
      serve();
    }
  }

  #handshake(connection: OpenConnection, budget: AddressBudget | undefined, serve: () => void): void {
    const { socket } = connection;
    const maxBytes = this.#settings.handshakeBytes;
    const setPending = (change: 1 | -1) => {
      if (change === 1) this.#pending.add(connection);
      else if (!this.#pending.delete(connection)) return;
      if (budget !== undefined) budget.pending += change;
    };
    setPending(1);
    socket.once('close', () => setPending(-1));
    const secure = this.#bounded(connection, serve, {
      maxBytes,
      onCost: (milliseconds) => {
        if (budget !== undefined) this.#budgets.charge(budget, milliseconds);
      },
      onExceeded: () => {
        const refusal = new OpenBankingError('ERR_HANDSHAKE_TOO_LARGE', { maxBytes });
        this.#report('tls.refused', connection, refusal);
        socket.destroy(refusal);
      },
    });
    if (secure === undefined) return;
    this.#bySocket.set(secure, connection);
    connection.httpSocket = secure;
    secure.prependOnceListener('secure', () => {
      setPending(-1);
      this.#rest(connection);
    });
  }

  /** Undefined for a connection that is not as the runtime's own: such a connection is closed, not served unbounded. */
  #bounded(
    { socket, listener }: OpenConnection,
    serve: () => void,
    options: HandshakeInputOptions,
  ): TLSSocket | undefined {
    try {
      return withBoundedHandshake(socket, serve, options);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.#log.emit('connection.failed', { listener, error });
      socket.destroy();
      return undefined;
    }
  }

  #budgetOf({ remoteAddress }: Socket): AddressBudget | undefined {
    if (remoteAddress === undefined) return undefined;
    if (this.#exempt.check(remoteAddress, isIPv6(remoteAddress) ? 'ipv6' : 'ipv4')) return undefined;
    return this.#budgets.of(networkOf(remoteAddress));
  }

  #refusalFor(budget: AddressBudget | undefined): Refusal | undefined {
    if (budget === undefined) return undefined;
    const { perAddress, pendingPerAddress, handshakePercent } = this.#settings;
    if (budget.open >= perAddress) return overLimit('perAddress', perAddress);
    if (budget.pending >= pendingPerAddress) return overLimit('pendingPerAddress', pendingPerAddress);
    if (!this.#budgets.isSpent(budget)) return undefined;
    return new OpenBankingError('ERR_HANDSHAKE_BUDGET', { handshakePercent });
  }

  #refusalWithoutRoom(): Refusal | undefined {
    const { inAll, pendingInAll } = this.#settings;
    const [oldestPending] = this.#pending;
    if (this.#pending.size >= pendingInAll) oldestPending?.socket.destroy();
    if (this.#open.size < inAll) return undefined;
    const [longestIdle] = this.#idle;
    const leaving = oldestPending ?? longestIdle;
    if (leaving === undefined) return overLimit('inAll', inAll);
    this.#report('connection.cut', leaving, overLimit('inAll', inAll));
    leaving.socket.destroy();
    return undefined;
  }

  #add(connection: OpenConnection, budget: AddressBudget | undefined): void {
    this.#open.add(connection);
    if (budget !== undefined) this.#budgets.connect(budget);
    this.#sweep ??= setInterval(() => this.#endOverdue(), SWEEP_MILLISECONDS).unref();
    connection.socket.once('close', () => {
      this.#open.delete(connection);
      this.#idle.delete(connection);
      if (budget !== undefined) this.#budgets.disconnect(budget);
      if (this.#open.size > 0) return;
      clearInterval(this.#sweep);
      this.#sweep = undefined;
    });
  }

  #rest(connection: OpenConnection): void {
    connection.idleSince = performance.now();
    if (this.#open.has(connection)) this.#idle.add(connection);
  }

  /** Requests of one connection are answered one after the other; one that waits for too many is closed. */
  #answer({ socket }: IncomingMessage, response: ServerResponse, answer: () => void): void {
    const connection = this.#bySocket.get(socket);
    if (connection === undefined) {
      answer();
      return;
    }
    if (connection.isFull) {
      this.#cut(connection, connection.fullRefusal());
      if (connection.budget !== undefined) this.#budgets.charge(connection.budget, FLOOD_MILLISECONDS);
      endParsing(connection.httpSocket);
      return;
    }
    this.#idle.delete(connection);
    response.once('close', () => {
      if (connection.end()) this.#rest(connection);
    });
    connection.requests += 1;
    if (connection.requests >= this.#settings.requestsPerConnection) response.shouldKeepAlive = false;
    connection.begin(answer);
  }

  #endOverdue(): void {
    const now = performance.now();
    for (const connection of this.#open) {
      if (this.#pending.has(connection)) continue;
      if (endsIdle(connection, now)) connection.socket.destroy();
      else connection.watchUnread(this.#settings.unreadSeconds, (refusal) => this.#cut(connection, refusal));
    }
  }

  #cut(connection: OpenConnection, refusal: OpenBankingError): void {
    this.#report('connection.cut', connection, refusal);
    connection.httpSocket.destroy();
    connection.socket.destroy();
  }

  #report(
    event: 'connection.refused' | 'connection.cut' | 'tls.refused',
    { listener, socket }: OpenConnection,
    error: OpenBankingError,
  ): void {
    this.#log.emit(event, { listener, address: socket.remoteAddress ?? 'unknown', error });
  }
}

/**
 * The limits of all connections of this process: one object for all of its servers.
 *
 * @throws TypeError for an exempt address that is none
 */
export function createConnectionLimits(options: ConnectionLimitOptions = {}): ConnectionLimits {
  return new ConnectionLimits(options);
}

function overLimit(limit: string, most: number): OpenBankingError<'ERR_CONNECTION_LIMIT'> {
  return new OpenBankingError('ERR_CONNECTION_LIMIT', { limit, most });
}

function exemptFrom({ exemptAddresses = [] }: ConnectionLimitOptions): BlockList {
  const exempt = new BlockList();
  for (const text of exemptAddresses) {
    if (/\/0+$/.test(text)) throw new TypeError(`exemptAddresses must not be everybody (${text})`);
    addAddressRange(exempt, text, 'exemptAddresses');
  }
  return exempt;
}
