import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { answerText } from '../answer-text.ts';
import { type ErrorCode, isRefusal, OpenBankingError } from '../errors.ts';
import type { Log } from '../events.ts';
import { peerAddress } from './client-certificate.ts';
import { type ServedPair, servedPems, SUITES } from './key-pair.ts';
import type { Admission, RequestHandler } from './limits/admission.ts';
import { type ConnectionLimits, createConnectionLimits } from './limits/connection-limits.ts';
import { refuseOverload } from './limits/overload-answer.ts';
import { HANDSHAKE_TIMEOUT_SECONDS, requestLimits } from './limits/request-limits.ts';
import { OpenConnections } from './open-connections.ts';

/** Longer than a load balancer keeps an idle connection (60 s), so that the load balancer is the one that closes. */
const KEEP_ALIVE_SECONDS = 65;
/** How long the bytes of a peer that was refused are read and dropped. */
const LINGER_SECONDS = 2;
/** How long `close` waits, by default, for requests in flight before it cuts their connections. */
const DRAIN_SECONDS = 8;

export interface ListenerOptions extends ServedPair {
  /** Names the listener in logs: `front`, `mtls`, `resource`. */
  readonly name: string;
  /**
   * Whether to request a certificate from the peer. TLS itself never requires one: our code decides, so that
   * each refusal has its reason. No list of CAs is sent.
   */
  readonly requestClientCertificate: boolean;
  readonly log: Log;
  /** The limits that this listener shares with others of the process. Default: limits for this listener alone. */
  readonly connections?: ConnectionLimits;
  /** How long an idle connection is kept; default 65. */
  readonly keepAliveSeconds?: number;
  /** Refuses requests while the process has more of them than it can serve. Default: none is refused. */
  readonly admission?: Admission | undefined;
  /**
   * The OCSP answer about the certificate of a handshake, for clients that ask for it (RFC 6066 §8). The socket is that of
   * a client that names the server. Default: none.
   */
  readonly staple?: ((socket: TLSSocket | undefined) => Buffer | undefined) | undefined;
}

interface Serving {
  readonly authority: string;
  readonly handler: RequestHandler;
  readonly isForAnyHost: (request: IncomingMessage) => boolean;
}

type Stapled = (error: Error | null, answer: Buffer | null) => void;

/**
 * An HTTPS listener that answers for one authority only (RFC 9110 §7.4): a foreign Host gets 421, an
 * absolute-form target 400. TLS 1.2 and 1.3, no renegotiation (a live socket cannot change its certificate).
 * With client certificates there is no session resumption either, so each connection has proved its key.
 */
export class Listener {
  readonly name: string;
  readonly #log: Log;
  readonly #options: ListenerOptions;
  readonly #server: Server;
  /** Undefined until `serve`. */
  #serving: Serving | undefined;
  readonly #open: OpenConnections;
  #isFed = false;
  /** The connection whose ClientHello is read at this moment. */
  #greeting: TLSSocket | undefined;
  /** Connections whose handshake failed, which Node reports as a client error as well. */
  readonly #notTls = new WeakSet<Socket>();
  readonly #refused = new WeakSet<Socket>();

  constructor(options: ListenerOptions) {
    this.name = options.name;
    this.#log = options.log;
    this.#options = options;
    const { staple } = options;
    this.#server = createServer(
      { ...serverOptions(options), ...(staple === undefined ? {} : { SNICallback: this.#noteGreeting() }) },
      (request, response) => this.#answer(request, response),
    );
    this.#open = new OpenConnections(this.#server);
    // node:http would answer any other expectation than 100-continue by itself, beside every limit.
    this.#server.on('checkExpectation', (...exchange) => this.#server.emit('request', ...exchange));
    if (staple !== undefined) {
      this.#server.on('OCSPRequest', (_certificate: Buffer, _issuer: Buffer, callback: Stapled) => {
        callback(null, staple(this.#greeting) ?? null);
      });
    }
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      this.#refuseBytes(error, socket);
    });
    const limits = options.connections ?? createConnectionLimits({ log: options.log });
    limits.limit(this.#server, this.name);
    // Prepended, so that a failed handshake is known as one before it is reported as a client error.
    this.#server.prependListener('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      this.#notTls.add(socket);
      if (isRefusal(error)) return;
      const address = peerAddress(socket);
      this.#log.emit('tls.refused', {
        listener: this.name,
        address,
        error: malformed(error.code ?? error.name),
      });
    });
  }

  /** Binds the port (0 = any free one) and returns the bound one. Requests get 503 until `serve`. */
  async listen(port: number, host = '::'): Promise<number> {
    this.#server.listen({ port, host, exclusive: false });
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * Starts to serve: `publicUrl` is the only authority that this listener answers for. A request of `isForAnyHost` may name
   * another one; its handler must not build a URL or a decision on the host.
   */
  serve(
    publicUrl: URL,
    handler: RequestHandler,
    isForAnyHost: (request: IncomingMessage) => boolean = () => false,
  ): void {
    this.#serving = { authority: publicUrl.host.toLowerCase(), handler, isForAnyHost };
  }

  /** Serves a connection that another process has accepted; called instead of `listen`. */
  accept(connection: Socket): void {
    if (!this.#isFed) {
      // node:https starts the timers of its time limits when it listens, and this server never does.
      this.#server.emit('listening');
      this.#isFed = true;
    }
    connection.setNoDelay(true);
    this.#server.emit('connection', connection);
  }

  /** New handshakes use these certificates; connections that are open stay. */
  replaceCertificate(pair: ServedPair): void {
    this.#server.setSecureContext(contextOptions(pair, this.#options.requestClientCertificate));
  }

  /** From now on every answer ends its connection; new ones are served still. */
  drain(): void {
    this.#open.drain();
  }

  /** Stops accepting, lets requests in flight end within `drainSeconds` (default 8), and closes. */
  close(drainSeconds = DRAIN_SECONDS): Promise<void> {
    return this.#open.close(drainSeconds);
  }

  /** Node names no connection in its event about OCSP, which is emitted within this callback. */
  #noteGreeting() {
    const note = (socket: TLSSocket, done: () => void) => {
      this.#greeting = socket;
      done();
      this.#greeting = undefined;
    };
    return function greeted(this: TLSSocket, _name: string, done: (error: Error | null) => void) {
      note(this, () => done(null));
    };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const serving = this.#serving;
    if (serving === undefined) {
      refuse(request, response, 503, new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'start' }));
      return;
    }
    const serve = () => this.#serve(request, response, serving);
    const { admission } = this.#options;
    if (admission === undefined) serve();
    else if (!admission.serve(request, response, serve)) refuseOverload(request, response);
  }

  #serve(request: IncomingMessage, response: ServerResponse, to: Serving): unknown {
    const refusal = isExpecting(request)
      ? malformed('the expectation of the request is not known')
      : misdirection(request, to.authority);
    const isAllowed = refusal?.code === 'ERR_HTTP_MISDIRECTED' && to.isForAnyHost(request);
    if (refusal === undefined || isAllowed) return to.handler(request, response);
    const address = peerAddress(request.socket);
    this.#log.emit('http.misdirected', { listener: this.name, address, error: refusal });
    refuse(
      request,
      response,
      refusal.code === 'ERR_HTTP_MISDIRECTED' ? 421 : isExpecting(request) ? 417 : 400,
      refusal,
    );
    return undefined;
  }

  #refuseBytes(error: NodeJS.ErrnoException, socket: Socket): void {
    if (this.#notTls.has(socket)) {
      socket.destroy();
      return;
    }
    // Bytes that come after the refused ones are refused anew until the answer has ended the connection.
    if (this.#refused.has(socket)) return;
    this.#refused.add(socket);
    const status = malformedStatus(error.code);
    const refusal = malformed(error.code ?? error.name);
    const address = peerAddress(socket);
    this.#log.emit('http.malformed', { listener: this.name, address, status, error: refusal });
    answerMalformed(socket, status);
  }
}

export function createListener(options: ListenerOptions): Listener {
  return new Listener(options);
}

function contextOptions(pair: ServedPair, requestClientCertificate: boolean): SecureContextOptions {
  return {
    ...servedPems(pair),
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ...SUITES,
    secureOptions:
      constants.SSL_OP_NO_RENEGOTIATION | (requestClientCertificate ? constants.SSL_OP_NO_TICKET : 0),
  };
}

function serverOptions(options: ListenerOptions): ServerOptions {
  return {
    ...contextOptions(options, options.requestClientCertificate),
    requestCert: options.requestClientCertificate,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: HANDSHAKE_TIMEOUT_SECONDS * 1000,
    ...requestLimits(options.keepAliveSeconds ?? KEEP_ALIVE_SECONDS),
  };
}

/** Whether a request expects anything but the one expectation that is defined (RFC 9110 §10.1.1). */
function isExpecting({ headers }: IncomingMessage): boolean {
  return headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue';
}

function misdirection(request: IncomingMessage, authority: string): OpenBankingError<ErrorCode> | undefined {
  if (!request.url?.startsWith('/')) return malformed('the request target is not in origin form');
  const hosts = request.rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === 'host');
  if (hosts.length !== 1) return malformed('there is not exactly one Host field');
  const host = (request.headers.host ?? '').toLowerCase();
  const withoutDefaultPort = host.endsWith(':443') ? host.slice(0, -':443'.length) : host;
  if (withoutDefaultPort === authority) return undefined;
  return new OpenBankingError('ERR_HTTP_MISDIRECTED', { host, expected: authority });
}

function malformed(problem: string): OpenBankingError<'ERR_HTTP_MALFORMED'> {
  return new OpenBankingError('ERR_HTTP_MALFORMED', { problem });
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  error: OpenBankingError,
): void {
  request.resume();
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    connection: 'close',
    ...(status === 503 ? { 'retry-after': '1' } : {}),
  });
  response.end(JSON.stringify({ error: 'invalid_request', error_description: answerText(error) }));
}

function malformedStatus(code: string | undefined): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408;
  return 400;
}

function answerMalformed(socket: Socket, status: number): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  // A connection that is cut while its peer still sends loses the answer.
  const cut = setTimeout(() => socket.destroy(), LINGER_SECONDS * 1000);
  socket.once('close', () => clearTimeout(cut));
  const body = JSON.stringify({ error: 'invalid_request', error_description: malformed('').message });
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncache-control: no-store\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
