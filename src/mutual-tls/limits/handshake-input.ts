import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { cpuMilliseconds } from './cpu-time.ts';

/** The parts of Node's sockets that `HandshakeInput` uses. They are the same in Node 22, 24 and 26. */
interface Handle {
  readonly bytesRead: number;
  onread(): void;
  useUserBuffer(buffer: Uint8Array): void;
}
interface TlsHandle extends Handle {
  receive(bytes: Uint8Array): void;
}
interface Initializing {
  _init(socket: unknown, wrap: unknown): void;
}

/** Where every connection's bytes are read. The TLS library copies the bytes before the next read. */
const BUFFER = Buffer.allocUnsafeSlow(65_536);

const PIECE_BYTES = 8192;

export interface HandshakeInputOptions {
  /** Most bytes that the peer may send until its handshake is complete. */
  readonly maxBytes: number;
  /** Called with the CPU time of every step of the handshake, in milliseconds. */
  readonly onCost: (milliseconds: number) => void;
  /** Called once, instead of passing on the byte that is too many. Ends the connection. */
  readonly onExceeded: () => void;
}

/**
 * Counts the bytes of a handshake on their way into the TLS library, which reads 64 kB at once and has no limit of
 * its own that node:tls could set. After the handshake the bytes are passed on as they come.
 *
 * Internals of Node, because the public way (a Duplex below the TLS socket) costs 18 µs a request; this one costs less
 * than the noise of a measurement. `bench -- tokens` and test/mutual-tls/limits are the referees for a new Node.
 */
class HandshakeInput {
  readonly #socket: TLSSocket;
  readonly #outer: Handle;
  readonly #tls: TlsHandle;
  readonly #options: HandshakeInputOptions;
  #seen = 0;
  #left: number;
  #isSecure = false;
  #stepStarted = 0;

  constructor(connection: Socket, socket: TLSSocket, options: HandshakeInputOptions) {
    this.#socket = socket;
    this.#outer = outerHandleOf(connection);
    this.#tls = tlsHandleOf(socket);
    this.#options = options;
    this.#left = options.maxBytes;
    // Prepended: the first listener of node:tls already serves the connection.
    socket.prependOnceListener('secure', () => {
      this.#isSecure = true;
      this.#endStep();
    });
    this.#outer.useUserBuffer(BUFFER);
    this.#outer.onread = () => this.#read();
  }

  #read(): void {
    const total = this.#outer.bytesRead;
    const length = total - this.#seen;
    this.#seen = total;
    // The end of the bytes and errors: their code lies where the runtime's own reader of TLS sockets reads it.
    if (length === 0) this.#tls.onread();
    else if (!this.#isSecure) this.#readHandshake(length);
    else if (length <= PIECE_BYTES) this.#tls.receive(BUFFER.subarray(0, length));
    else this.#readInPieces(length);
  }

  /** A connection that is closed for one of its requests gets no more of them parsed than a piece holds. */
  #readInPieces(length: number): void {
    for (let at = 0; at < length && !this.#socket.destroyed; at += PIECE_BYTES) {
      this.#tls.receive(BUFFER.subarray(at, Math.min(length, at + PIECE_BYTES)));
    }
  }

  /** A read may hold the end of the handshake and the first request. */
  #readHandshake(length: number): void {
    let at = 0;
    while (at < length && !this.#socket.destroyed) {
      if (!this.#isSecure && this.#left === 0) {
        this.#options.onExceeded();
        return;
      }
      const end = this.#isSecure ? length : Math.min(length, at + this.#left);
      this.#left -= end - at;
      this.#receive(BUFFER.subarray(at, end));
      at = end;
    }
  }

  #receive(bytes: Uint8Array): void {
    this.#stepStarted = cpuMilliseconds();
    this.#tls.receive(bytes);
    this.#endStep();
  }

  #endStep(): void {
    if (this.#stepStarted === 0) return;
    this.#options.onCost(cpuMilliseconds() - this.#stepStarted);
    this.#stepStarted = 0;
  }
}

/**
 * Calls `open`, which makes the TLS socket of a connection, and bounds its handshake.
 *
 * @throws TypeError when the runtime does not make the TLS socket as expected, so that no handshake is unbounded
 */
export function withBoundedHandshake(
  connection: Socket,
  open: () => void,
  options: HandshakeInputOptions,
): TLSSocket {
  const outer = opening;
  opening = { connection };
  try {
    open();
    const { socket } = opening;
    if (socket === undefined) throw new TypeError('the runtime made no TLS socket for a connection');
    new HandshakeInput(connection, socket, options);
    return socket;
  } finally {
    opening = outer;
  }
}

let opening: { readonly connection: Socket; socket?: TLSSocket } | undefined;
let isWatching = false;

/**
 * Called before the first connection. node:tls has no way from a connection to its TLS socket, but each constructor
 * calls `_init` with both.
 *
 * @throws TypeError in a Node release whose sockets are not known
 */
export function watchTlsSockets(): void {
  if (isWatching) return;
  const prototype: unknown = TLSSocket.prototype;
  if (!isInitializing(prototype)) throw new TypeError('the TLS sockets of this Node release are not known');
  const init = prototype._init;
  prototype._init = function (this: TLSSocket & Initializing, socket, wrap) {
    init.call(this, socket, wrap);
    if (opening !== undefined && opening.connection === socket) opening.socket = this;
  };
  isWatching = true;
}

function isInitializing(value: unknown): value is Initializing {
  return typeof value === 'object' && value !== null && '_init' in value && typeof value._init === 'function';
}

function outerHandleOf(connection: unknown): Handle {
  const handle = connection instanceof Socket && '_handle' in connection ? connection._handle : undefined;
  if (!isHandle(handle)) throw new TypeError('a connection is no TCP connection of the runtime');
  return handle;
}

function tlsHandleOf(socket: TLSSocket): TlsHandle {
  const handle = '_handle' in socket ? socket._handle : undefined;
  if (!isHandle(handle) || !('receive' in handle) || typeof handle.receive !== 'function') {
    throw new TypeError('the TLS sockets of this Node release are not known');
  }
  return handle as TlsHandle;
}

function isHandle(value: unknown): value is Handle {
  return (
    typeof value === 'object' &&
    value !== null &&
    'useUserBuffer' in value &&
    typeof value.useUserBuffer === 'function' &&
    'bytesRead' in value &&
    typeof value.bytesRead === 'number' &&
    'onread' in value
  );
}
