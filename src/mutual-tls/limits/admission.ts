import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerText } from '../../answer-text.ts';
import { OpenBankingError } from '../../errors.ts';
import { type Log, silentLog } from '../../events.ts';
import { AdmittedRequest } from './admitted-request.ts';

/**
 * Serves a request. A promise that is returned ends with the work on the request, also when the caller has left before.
 * As the listeners of node:http, a handler may return anything else.
 */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface AdmissionOptions {
  /** The delay of the event loop above which requests in flight become fewer. Default 50. */
  readonly targetMilliseconds?: number | undefined;
  /** Requests in flight that are always admitted. Default 128: some 50 ms of work. */
  readonly fewest?: number;
  /** Requests in flight at most. Default 4096. */
  readonly most?: number;
  /** The load is over when no request was refused, and the bound did not fall, for so long. Default 5000. */
  readonly calmMilliseconds?: number;
  readonly log?: Log;
}

const TARGET_MILLISECONDS = 50;
const TURN_MILLISECONDS = 20;
/** The share of the newest turn in the mean delay: a collection of garbage alone stays below the target. */
const NEWEST_SHARE = 0.3;
const FEWEST = 128;
const MOST = 4096;
/** A late loop alone may be the work of other programs of the machine: requests have to be slow as well. */
const SLOW_MILLISECONDS = 75;
/** The bound falls to this share at most in one turn. */
const DEEPEST_CUT = 0.5;
const GROWTH = 1.1;
const CALM_MILLISECONDS = 5000;

/**
 * Admits requests while the event loop keeps up. The requests in flight of one process are bounded. The bound falls while
 * turns of the loop are late and requests are slow, and rises again otherwise: a request that waits for the bank or a
 * browser is slow in a loop that is in time. A request beyond is refused before any
 * work is done for it, so that an overloaded server goes on serving what it can, and answers the rest at once.
 *
 * A request whose caller has left counts until the work on it ends: callers that lose patience add no work beyond the
 * bound. A request that waits for its caller, for a body or for an answer to be read, takes no place of others.
 *
 * @see Welsh and Culler, Adaptive overload control for busy internet servers (USITS 2003): the bound follows the delay
 */
export class Admission {
  readonly #target: number;
  readonly #fewest: number;
  readonly #most: number;
  readonly #calmMilliseconds: number;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  readonly #open = new Set<AdmittedRequest>();
  /** Open requests that do not wait for their callers. */
  #inFlight = 0;
  /** Most requests in flight since the last turn. */
  #peak = 0;
  #bound: number;
  /** Since the last turn, the answers and the sum of their times. */
  #answered = 0;
  #milliseconds = 0;
  /** The mean delay of turns. Turns that read requests are short, and those that serve them long. */
  #delay = 0;
  #turnAt = performance.now();
  #refused = 0;
  /** When a request was refused, or the bound fell. */
  #loadedAt = 0;

  constructor(options: AdmissionOptions = {}) {
    this.#target = options.targetMilliseconds ?? TARGET_MILLISECONDS;
    this.#fewest = options.fewest ?? FEWEST;
    this.#most = options.most ?? MOST;
    this.#bound = this.#most;
    this.#calmMilliseconds = options.calmMilliseconds ?? CALM_MILLISECONDS;
    this.#log = options.log ?? silentLog;
    this.#timer = setInterval(() => this.#turn(), TURN_MILLISECONDS).unref();
  }

  /** Serves a request; false for one that is not served because there are too many. */
  serve(request: IncomingMessage, response: ServerResponse, handler: RequestHandler): boolean {
    if (this.#inFlight >= this.#bound) {
      this.#refuse();
      return false;
    }
    const admitted = new AdmittedRequest(request, response, performance.now());
    this.#open.add(admitted);
    this.#count(1);
    response.once('close', () => {
      admitted.close(performance.now());
      this.#endIfOver(admitted);
    });
    const ended = () => {
      admitted.serve();
      this.#endIfOver(admitted);
    };
    const work = handler(request, response);
    if (work instanceof Promise) void work.finally(ended);
    else ended();
    return true;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #refuse(): void {
    if (this.#refused === 0) this.#log.emit('server.overloaded', { count: this.#bound });
    this.#refused += 1;
    this.#loadedAt = performance.now();
  }

  #count(change: 1 | -1): void {
    this.#inFlight += change;
    if (this.#inFlight > this.#peak) this.#peak = this.#inFlight;
  }

  #endIfOver(admitted: AdmittedRequest): void {
    if (!admitted.isOver || !this.#open.delete(admitted)) return;
    if (admitted.isWorking) this.#count(-1);
    const milliseconds = admitted.millisecondsOfWork(performance.now());
    if (milliseconds === undefined) return;
    this.#answered += 1;
    this.#milliseconds += milliseconds;
  }

  /** Requests that wait for their callers now, or no longer. */
  #follow(now: number): void {
    for (const admitted of this.#open) {
      const wasWorking = admitted.isWorking;
      admitted.follow(now);
      if (admitted.isWorking !== wasWorking) this.#count(wasWorking ? -1 : 1);
      this.#endIfOver(admitted);
    }
  }

  #turn(): void {
    const now = performance.now();
    this.#follow(now);
    const newest = Math.max(now - this.#turnAt - TURN_MILLISECONDS, 0);
    this.#delay += NEWEST_SHARE * (newest - this.#delay);
    const isLate = this.#delay > this.#target;
    const mean = this.#answered === 0 ? 0 : this.#milliseconds / this.#answered;
    if (isLate && mean > SLOW_MILLISECONDS) {
      const share = Math.max(SLOW_MILLISECONDS / mean, DEEPEST_CUT);
      this.#bound = Math.max(this.#fewest, Math.floor(Math.min(this.#bound, this.#peak) * share));
      this.#loadedAt = now;
    } else if (!isLate && this.#peak >= this.#bound) {
      this.#bound = Math.min(this.#most, Math.ceil(this.#bound * GROWTH));
    }
    this.#answered = 0;
    this.#milliseconds = 0;
    this.#turnAt = now;
    this.#peak = this.#inFlight;
    if (now - this.#loadedAt <= this.#calmMilliseconds) return;
    // A bound of an earlier load is no measure of the next requests.
    this.#bound = this.#most;
    if (this.#refused > 0) {
      this.#log.emit('server.relieved', { count: this.#refused });
      this.#refused = 0;
    }
  }
}

const OVERLOADED = answerText(new OpenBankingError('ERR_SERVER_OVERLOADED', {}));
const JSON_ANSWER = Buffer.from(
  JSON.stringify({ error: 'temporarily_unavailable', error_description: OVERLOADED }),
);
/** A page that asks for itself again. */
const PAGE = Buffer.from(
  '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">' +
    '<meta http-equiv="refresh" content="3"><title>One moment, please</title>' +
    '<body style="font:1.1rem/1.5 sans-serif;margin:3rem 1rem;text-align:center">' +
    '<h1>One moment, please</h1><p>Many people use this service now. The page tries again by itself.</p></html>',
);
const RETRY_SECONDS = '1';

/** The answer to a request that was not admitted. As little work as an answer can be: written from ready bytes. */
export function refuseOverload(request: IncomingMessage, response: ServerResponse): void {
  const isPage = request.method === 'GET' && request.headers.accept?.includes('text/html') === true;
  const body = isPage ? PAGE : JSON_ANSWER;
  request.resume();
  response.sendDate = false;
  response.writeHead(503, {
    'content-type': isPage ? 'text/html; charset=utf-8' : 'application/json',
    'content-length': body.length,
    'cache-control': 'no-store',
    'retry-after': RETRY_SECONDS,
  });
  response.end(body);
}
