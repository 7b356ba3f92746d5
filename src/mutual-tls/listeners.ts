import { constants } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type ErrorCode, OpenBankingError } from '../errors.ts';
import type { Log } from '../events.ts';

/** TLS 1.3, and for TLS 1.2 the two suites that BCP 195 and the FAPI suite both accept with an RSA certificate. */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_AES_128_GCM_SHA256',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':');

/** An RSA-4096 path of three certificates and two JWTs pass the 16 kB that Node allows by default. */
const MAX_HEADER_BYTES = 32 * 1024;
const HANDSHAKE_TIMEOUT_SECONDS = 10;
const HEADERS_TIMEOUT_SECONDS = 10;
const REQUEST_TIMEOUT_SECONDS = 15;
/** Longer than load balancers keep an idle connection (60 s): who closes first must not be the one that is asked. */
const KEEP_ALIVE_SECONDS = 65;
/** How long `close` waits for requests in flight before it cuts their connections, unless it is told. */
const DRAIN_SECONDS = 8;

export interface ListenerOptions {
  /** Names the listener in logs: `front`, `mtls`, `resource`. */
  readonly name: string;
  /** PEM of the server certificate and its intermediates; an RSA key, so that the TLS 1.2 suites apply. */
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /**
   * Whether to ask the peer for a certificate. It is never required by TLS itself: our code decides, so that
   * each refusal has its reason. No list of authorities is sent.
   */
  readonly requestClientCertificate: boolean;
  readonly log: Log;
}

export interface Listener {
  readonly name: string;
  /** Binds the port (0 = any free one) and answers with the one it got. Requests get 503 until `serve`. */
  listen(port: number, host?: string): Promise<number>;
  /** Starts to serve: `publicUrl` is the only authority that this listener answers for. */
  serve(publicUrl: URL, handler: RequestListener): void;
  /** From now on every answer ends its connection; new ones are served still. */
  drain(): void;
  /** Stops accepting, lets requests in flight end within `drainSeconds` (default 8), and closes. */
  close(drainSeconds?: number): Promise<void>;
}

/**
 * An HTTPS listener that answers for one authority only (RFC 9110 §7.4): a foreign Host gets 421, an
 * absolute-form target 400. TLS 1.2 and 1.3, no renegotiation (a live socket cannot change its certificate).
 * With client certificates there is no session resumption either, so each connection has proved its key.
 */
export function createListener(options: ListenerOptions): Listener {
  const { name, log } = options;
  let serving: { readonly authority: string; readonly handler: RequestListener } | undefined;
  let isDraining = false;
  const inFlight = new Set<ServerResponse>();
  const connections = new Set<Socket>();
  const server = createServer(
    {
      cert: options.certificatePem,
      key: options.privateKeyPem,
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: CIPHERS,
      honorCipherOrder: true,
      secureOptions:
        constants.SSL_OP_NO_RENEGOTIATION |
        (options.requestClientCertificate ? constants.SSL_OP_NO_TICKET : 0),
      requestCert: options.requestClientCertificate,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: HANDSHAKE_TIMEOUT_SECONDS * 1000,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_SECONDS * 1000,
      requestTimeout: REQUEST_TIMEOUT_SECONDS * 1000,
      keepAliveTimeout: KEEP_ALIVE_SECONDS * 1000,
      connectionsCheckingInterval: 1000,
      requireHostHeader: true,
      insecureHTTPParser: false,
    },
    (request, response) => {
      inFlight.add(response);
      response.once('close', () => inFlight.delete(response));
      if (isDraining) response.shouldKeepAlive = false;
      if (serving === undefined) {
        refuse(
          request,
          response,
          503,
          new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'start' }),
        );
        return;
      }
      const refusal = misdirection(request, serving.authority);
      if (refusal === undefined) serving.handler(request, response);
      else {
        log.emit('http.misdirected', { listener: name, error: refusal });
        refuse(request, response, refusal.code === 'ERR_HTTP_MISDIRECTED' ? 421 : 400, refusal);
      }
    },
  );
  const notTls = new WeakSet<Socket>();
  server.on('connection', (connection: Socket) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (notTls.has(socket)) {
      socket.destroy();
      return;
    }
    const status = malformedStatus(error.code);
    log.emit('http.malformed', { listener: name, status, error: malformed(error.code ?? error.name) });
    answerMalformed(socket, status);
  });
  // Node reports a failed handshake as a client error too. Prepended, so that this is the one that tells it.
  server.prependListener('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    notTls.add(socket);
    log.emit('tls.refused', { listener: name, error: malformed(error.code ?? error.name) });
  });

  const drain = () => {
    isDraining = true;
    for (const response of inFlight) response.shouldKeepAlive = false;
  };

  return {
    name,
    listen: (port, host) => listening(server, port, host),
    serve: (publicUrl, handler) => {
      serving = { authority: publicUrl.host.toLowerCase(), handler };
    },
    drain,
    close: (drainSeconds = DRAIN_SECONDS) => {
      drain();
      return closed(server, { drainSeconds, connections });
    },
  };
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
  response.end(JSON.stringify({ error: 'invalid_request', error_description: error.message }));
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
  const body = JSON.stringify({
    error: 'invalid_request',
    error_description: malformed('').message,
  });
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncache-control: no-store\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function listening(server: Server, port: number, host?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: host ?? '::', exclusive: false }, () => {
      server.off('error', reject);
      const address = server.address() as AddressInfo;
      resolve(address.port);
    });
  });
}

interface Draining {
  readonly drainSeconds: number;
  /** Every TCP connection: one in the middle of its handshake is none of the server's HTTP connections yet. */
  readonly connections: ReadonlySet<Socket>;
}

function closed(server: Server, { drainSeconds, connections }: Draining): Promise<void> {
  return new Promise((resolve) => {
    // A kept connection becomes idle only when its last answer is out.
    const sweep = setInterval(() => server.closeIdleConnections(), 50);
    const cut = setTimeout(() => {
      server.closeAllConnections();
      for (const connection of connections) connection.destroy();
    }, drainSeconds * 1000);
    server.close(() => {
      clearInterval(sweep);
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
