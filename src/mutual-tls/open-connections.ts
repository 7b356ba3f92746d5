import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';

const SWEEP_MILLISECONDS = 50;
/** Of the end of one answer. */
const MAX_LISTENERS = 20;

/** The connections and answers of an HTTP server, so that the server stops without an error for its callers. */
export class OpenConnections {
  readonly #server: HttpServer | HttpsServer;
  #isDraining = false;
  readonly #inFlight = new Set<ServerResponse>();
  /** Every TCP connection: one in the middle of its handshake is none of the server's HTTP connections yet. */
  readonly #connections = new Set<Socket>();
  #onEmpty: (() => void) | undefined;

  constructor(server: HttpServer | HttpsServer) {
    this.#server = server;
    server.on('connection', (connection: Socket) => this.#add(connection));
    // Prepended, so that an answer ends its connection before the handler writes the head of the answer.
    server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
      this.#inFlight.add(response);
      // Limits, metrics, traces and the gateway follow the end of an answer too, one listener each.
      response.setMaxListeners(MAX_LISTENERS);
      response.once('close', () => this.#inFlight.delete(response));
      if (this.#isDraining) response.shouldKeepAlive = false;
    });
  }

  /** From now on every answer ends its connection; new ones are served still. */
  drain(): void {
    this.#isDraining = true;
    for (const response of this.#inFlight) response.shouldKeepAlive = false;
  }

  /** Stops accepting, waits for requests in flight, and cuts connections that are left after `drainSeconds`. */
  async close(drainSeconds: number): Promise<void> {
    this.drain();
    this.#server.close();
    // A kept connection becomes idle only when its last answer is out.
    const sweep = setInterval(() => this.#server.closeIdleConnections(), SWEEP_MILLISECONDS);
    const cut = setTimeout(() => {
      this.#server.closeAllConnections();
      for (const connection of this.#connections) connection.destroy();
    }, drainSeconds * 1000);
    this.#server.closeIdleConnections();
    if (this.#connections.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
    clearInterval(sweep);
    clearTimeout(cut);
  }

  #add(connection: Socket): void {
    this.#connections.add(connection);
    connection.once('close', () => {
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#onEmpty?.();
    });
  }
}
