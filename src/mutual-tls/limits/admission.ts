import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Log, silentLog } from '../../events.ts';
import { AdmittedRequest } from './admitted-request.ts';
import { StartedInTurns } from './started-in-turns.ts';

/**
 * Serves a request. A promise that is returned ends with the work on the request, also when the caller has left before.
 * As the listeners of node:http, a handler may return anything else.
 */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface AdmissionOptions {
  /** CPU time that requests wait for others before those beyond are refused. Default 50. */
  readonly targetMilliseconds?: number | undefined;
  /** Requests that wait and requests in flight at most. Default 4096. */
  readonly most?: number;
  /** The load is over when no request was refused for so long. Default 5000. */
  readonly calmMilliseconds?: number;
  readonly log?: Log;
}

const TARGET_MILLISECONDS = 50;
const MOST = 4096;
const CALM_MILLISECONDS = 5000;
const FOLLOW_MILLISECONDS = 100;

/**
 * Admits requests while the process keeps up. Requests are started in short turns of the event loop, and those beyond
 * what can be started soon are refused before any work is done for them: an overloaded server goes on serving what it can,
 * and answers the rest at once. A request that waits for the bank or a browser keeps nothing from its start.
 *
 * A request whose caller has left counts until the work on it ends: callers that lose patience add no work beyond the
 * bound. A request that waits for its caller, for a body or for an answer to be read, takes no place of others.
 */
export class Admission {
  readonly #most: number;
  readonly #calmMilliseconds: number;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  readonly #turns: StartedInTurns;
  readonly #open = new Set<AdmittedRequest>();
  /** Open requests that do not wait for their callers. */
  #inFlight = 0;
  #refused = 0;
  #refusedAt = 0;

  constructor(options: AdmissionOptions = {}) {
    this.#most = options.most ?? MOST;
    this.#calmMilliseconds = options.calmMilliseconds ?? CALM_MILLISECONDS;
    this.#log = options.log ?? silentLog;
    const targetMilliseconds = options.targetMilliseconds ?? TARGET_MILLISECONDS;
    this.#turns = new StartedInTurns({ targetMilliseconds, calmMilliseconds: this.#calmMilliseconds });
    this.#timer = setInterval(() => this.#follow(), FOLLOW_MILLISECONDS).unref();
  }

  /** Serves a request; false for one that is not served because there are too many. */
  serve(request: IncomingMessage, response: ServerResponse, handler: RequestHandler): boolean {
    if (this.#inFlight >= this.#most || this.#turns.isFull) {
      this.#refuse();
      return false;
    }
    const admitted = new AdmittedRequest(request, response);
    this.#open.add(admitted);
    this.#inFlight += 1;
    response.once('close', () => {
      admitted.close(performance.now());
      this.#endIfOver(admitted);
    });
    this.#turns.start(() => this.#begin(admitted, () => handler(request, response)));
    return true;
  }

  /** Changes the CPU time that requests wait for others before those beyond are refused. */
  change(targetMilliseconds: number): void {
    this.#turns.change(targetMilliseconds);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #begin(admitted: AdmittedRequest, handle: () => unknown): void {
    const ended = () => {
      admitted.serve();
      this.#endIfOver(admitted);
    };
    // The caller has left while the request waited.
    const work = admitted.isClosed ? undefined : handle();
    if (work instanceof Promise) void work.finally(ended);
    else ended();
  }

  #refuse(): void {
    if (this.#refused === 0) this.#log.emit('server.overloaded', { count: this.#turns.bound });
    this.#turns.refuse();
    this.#refused += 1;
    this.#refusedAt = performance.now();
  }

  #endIfOver(admitted: AdmittedRequest): void {
    if (!admitted.isOver || !this.#open.delete(admitted)) return;
    if (admitted.isWorking) this.#inFlight -= 1;
  }

  /** Requests that wait for their callers now, or no longer; and the end of the load. */
  #follow(): void {
    const now = performance.now();
    for (const admitted of this.#open) {
      const wasWorking = admitted.isWorking;
      admitted.follow(now);
      if (admitted.isWorking !== wasWorking) this.#inFlight += wasWorking ? -1 : 1;
      this.#endIfOver(admitted);
    }
    if (this.#refused === 0 || now - this.#refusedAt <= this.#calmMilliseconds) return;
    this.#log.emit('server.relieved', { count: this.#refused });
    this.#refused = 0;
  }
}
