import { AsyncLocalStorage } from 'node:async_hooks';
import { cpuMilliseconds } from './cpu-time.ts';

/** CPU time of one turn of the loop. A request that is refused waits for two turns at most. */
const TURN_MILLISECONDS = 20;
const FIRST = 64;
const FEWEST = 8;
const MOST = 1024;
const GROWTH = 1.1;
/** The number falls to this share at most in one turn. */
const DEEPEST_CUT = 0.7;
/** A turn starts at least one request for so many refusals of the last one: they cost about as much as one token. */
const REFUSED_FOR_ONE = 5;

export interface StartedInTurnsOptions {
  /** CPU time that requests may wait for others, once some have waited so long. */
  readonly targetMilliseconds: number;
  /** How long the bound of the queue stays after the last request that waited so long. */
  readonly calmMilliseconds: number;
}

/**
 * Starts requests in short turns of the event loop. A loop that starts all that has arrived reads the next request only
 * when the last of them is served: one that is refused would wait as long. Here a turn starts some requests, the others
 * wait in a queue, in order, and the loop reads between two turns. How many a turn starts follows the CPU time of turns.
 *
 * A burst may wait as long as it takes. A queue that lasts is bounded: the requests in it are started within the target.
 * The clock is CPU time, so that a process that the machine does not let run is not taken for one with too many requests.
 *
 * @see Nichols and Jacobson, Controlling queue delay (ACM Queue 2012): a burst is good, a standing queue is not
 */
export class StartedInTurns {
  #targetMilliseconds: number;
  readonly #calmMilliseconds: number;
  readonly #waiting: (() => void)[] = [];
  /** Requests of a turn, by the CPU time of turns. */
  #perTurn = FIRST;
  /** Requests that this turn starts: as many as `#perTurn`, or more where the last turn refused many. */
  #ofTurn = FIRST;
  #started = 0;
  #refused = 0;
  #isTurnAwaited = false;
  /** CPU time at which the queue was empty last, and at the end of the last turn with a queue. */
  #queuedSince: number | undefined;
  #turnAt = 0;
  /** Monotonic time until which the queue is bounded. */
  #boundedUntil = 0;

  constructor(options: StartedInTurnsOptions) {
    this.#targetMilliseconds = options.targetMilliseconds;
    this.#calmMilliseconds = options.calmMilliseconds;
  }

  /** Changes the CPU time that requests may wait for others. */
  change(targetMilliseconds: number): void {
    this.#targetMilliseconds = targetMilliseconds;
  }

  /** The requests that may wait, where the queue lasts. */
  get bound(): number {
    return Math.ceil((this.#ofTurn * this.#targetMilliseconds) / TURN_MILLISECONDS);
  }

  /** Whether one request more would wait too long. */
  get isFull(): boolean {
    return this.#waiting.length >= this.bound && performance.now() < this.#boundedUntil;
  }

  /** Counts a request that is not started. */
  refuse(): void {
    this.#refused += 1;
  }

  /** Calls `begin` now, or in a later turn. */
  start(begin: () => void): void {
    if (!this.#isTurnAwaited) this.#awaitTurn();
    if (this.#waiting.length > 0 || this.#started >= this.#ofTurn) {
      this.#waiting.push(AsyncLocalStorage.bind(begin));
      return;
    }
    this.#started += 1;
    begin();
  }

  #awaitTurn(): void {
    this.#isTurnAwaited = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnAwaited = false;
    this.#started = 0;
    const refused = this.#refused;
    this.#refused = 0;
    if (this.#waiting.length === 0) {
      this.#queuedSince = undefined;
      return;
    }
    const now = cpuMilliseconds();
    if (this.#queuedSince === undefined) this.#queuedSince = now;
    else this.#follow(now - this.#turnAt);
    this.#turnAt = now;
    const isLong = now - this.#queuedSince > this.#targetMilliseconds;
    if (isLong) this.#boundedUntil = performance.now() + this.#calmMilliseconds;
    this.#awaitTurn();
    this.#ofTurn = Math.max(this.#perTurn, Math.floor(refused / REFUSED_FOR_ONE));
    const next = this.#waiting.splice(0, this.#ofTurn);
    this.#started = next.length;
    for (const begin of next) begin();
  }

  /** The requests of a turn follow the CPU time that the last turn took. */
  #follow(milliseconds: number): void {
    const share = TURN_MILLISECONDS / milliseconds;
    this.#perTurn =
      share < 1
        ? Math.max(FEWEST, Math.floor(this.#perTurn * Math.max(share, DEEPEST_CUT)))
        : Math.min(MOST, Math.ceil(this.#perTurn * GROWTH));
  }
}
