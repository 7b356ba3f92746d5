import { Worker } from 'node:worker_threads';
import { monotonicMilliseconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { ConnectionOptions } from './sqlite-connection.ts';
import type { Operation, Outcome, WriteAnswer, WriteRequest } from './sqlite-operations.ts';
import type { WriterData } from './sqlite-worker.ts';
import { WritingSteps } from './writing-steps.ts';

/** Longest wait of a write for another process that holds the file. */
const LOCK_MILLISECONDS = 1500;
/** After this the disk counts as not answering. Callers expect an answer within two seconds. */
const ANSWER_MILLISECONDS = 1900;
/** A timer that fires later than this shows that this thread stood still. Then the answer may be there, unread, or comes at once. */
const LATE_MILLISECONDS = 50;
const UNREAD_MILLISECONDS = 300;
const CLOSE_MILLISECONDS = 5000;
/** Pause between the death of the thread and the start of another. */
const RESTART_MILLISECONDS = 200;
/** So many writes are passed on before the turn ends: fewer cost more messages, more make the threads wait in turn. */
const GATHERED = 12;
/** Run from source the thread is TypeScript, built it is JavaScript. */
const WORKER = new URL(`./sqlite-worker.${import.meta.url.split('.').at(-1)}`, import.meta.url);

interface Waiting {
  readonly operation: Operation;
  readonly resolve: (value: boolean | number | null) => void;
  readonly reject: (error: unknown) => void;
}

interface Group {
  readonly waiting: readonly Waiting[];
  readonly sentAt: number;
  timer: NodeJS.Timeout;
}

/** Passes writes to the writing thread. */
export class SqliteWriter {
  readonly #options: ConnectionOptions;
  /** Groups that were sent to the thread, by number. */
  readonly #groups = new Map<number, Group>();
  #steps = new WritingSteps();
  #lastId = 0;
  /** Writes of this turn of the event loop. */
  #gathered: Waiting[] = [];
  #worker: Worker | undefined;
  #diedAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /**
   * Starts the thread and resolves when the thread holds the lock for writing. Without this call the start of the thread
   * counts against the time of the first write.
   *
   * @throws ERR_STORAGE_UNAVAILABLE after `milliseconds`
   */
  async open(milliseconds: number): Promise<void> {
    await new Promise((resolve, reject) => {
      const operation = { do: 'purge', now: 0, limit: 0, alsoBits: false } as const;
      this.#send([{ operation, resolve, reject }], milliseconds);
    });
  }

  /**
   * Resolves when the write is durable.
   *
   * @throws ERR_STORAGE_UNAVAILABLE, ERR_STORAGE_REVOKED
   */
  write(operation: Operation): Promise<boolean | number | null> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        reject(unavailable(operation.do, new Error('the store is closed')));
        return;
      }
      // The writes of one turn of the event loop form one group, up to GATHERED, so that neither thread waits.
      if (this.#gathered.length === 0) setImmediate(() => this.#sendGathered());
      this.#gathered.push({ operation, resolve, reject });
      if (this.#gathered.length === GATHERED) this.#sendGathered();
    });
  }

  /** Whether no write waits for its answer. */
  get isIdle(): boolean {
    return this.#groups.size === 0 && this.#gathered.length === 0;
  }

  /** Waits for the pending writes, then closes. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#gathered.length > 0) await new Promise((resolve) => setImmediate(resolve));
    const thread = this.#worker;
    if (thread === undefined) return;
    const ended = new Promise((resolve) => thread.once('exit', resolve));
    thread.ref();
    thread.postMessage('close');
    const timer = setTimeout(() => void thread.terminate(), CLOSE_MILLISECONDS);
    await ended;
    clearTimeout(timer);
  }

  #sendGathered(): void {
    if (this.#gathered.length === 0) return;
    const waiting = this.#gathered;
    this.#gathered = [];
    this.#send(waiting, LOCK_MILLISECONDS);
  }

  #send(waiting: readonly Waiting[], lockMilliseconds: number): void {
    this.#lastId += 1;
    const id = this.#lastId;
    const sentAt = monotonicMilliseconds();
    const answerMilliseconds = lockMilliseconds + (ANSWER_MILLISECONDS - LOCK_MILLISECONDS);
    const timer = setTimeout(() => this.#onTimeout(id, sentAt + answerMilliseconds), answerMilliseconds);
    this.#groups.set(id, { waiting, sentAt, timer });
    const operations = waiting.map(({ operation }) => operation);
    try {
      const request: WriteRequest = { id, sentAt, deadline: sentAt + lockMilliseconds, operations };
      this.#startedWorker().postMessage(request);
    } catch (cause) {
      this.#fail(id, cause);
    }
  }

  /**
   * Timers run before messages: after a stall of this thread, a write that was made long ago would be refused. So an answer gets
   * another turn of the event loop, and a short time after a stall, in which the writing thread may have stood still too.
   */
  #onTimeout(id: number, due: number): void {
    const group = this.#groups.get(id);
    if (group === undefined) return;
    const late = monotonicMilliseconds() - due;
    const { text } = this.#steps;
    const onSecond = () => {
      const waited = Math.round(monotonicMilliseconds() - group.sentAt);
      const own = `the thread that serves is ${Math.max(0, Math.round(late))} ms late`;
      this.#fail(id, new Error(`no answer in ${waited} ms: ${text}; ${own}`));
    };
    if (late > LATE_MILLISECONDS) group.timer = setTimeout(onSecond, UNREAD_MILLISECONDS);
    else setImmediate(onSecond);
  }

  #startedWorker(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    if (performance.now() - this.#diedAt < RESTART_MILLISECONDS) {
      throw new Error('the writing thread has ended');
    }
    this.#steps = new WritingSteps();
    const workerData: WriterData = { options: this.#options, steps: this.#steps.memory };
    const thread = new Worker(WORKER, { workerData, execArgv: [], name: 'sqlite-writer' });
    const onEnd = (cause: unknown) => {
      if (this.#worker !== thread) return;
      this.#worker = undefined;
      this.#diedAt = performance.now();
      for (const id of [...this.#groups.keys()]) this.#fail(id, cause);
    };
    thread.on('error', onEnd);
    thread.on('exit', () => onEnd(new Error('the writing thread has ended')));
    thread.on('message', ({ id, outcomes, fault }: WriteAnswer) => {
      if (outcomes === undefined) this.#fail(id, new Error(fault));
      else for (const [at, waiting] of this.#settle(id).entries()) settle(waiting, outcomes[at]);
    });
    // The timer of a group keeps the process alive while an answer is due.
    thread.unref();
    this.#worker = thread;
    return thread;
  }

  /** Takes the group out of those that wait. */
  #settle(id: number): readonly Waiting[] {
    const group = this.#groups.get(id);
    this.#groups.delete(id);
    clearTimeout(group?.timer);
    return group?.waiting ?? [];
  }

  #fail(id: number, cause: unknown): void {
    for (const { operation, reject } of this.#settle(id)) reject(unavailable(operation.do, cause));
  }
}

function settle({ operation, resolve, reject }: Waiting, outcome: Outcome | undefined): void {
  if (outcome === undefined) reject(unavailable(operation.do, new Error('no answer')));
  else if ('isRevoked' in outcome) {
    const kind = 'kind' in operation ? operation.kind : '';
    reject(new OpenBankingError('ERR_STORAGE_REVOKED', { kind }));
  } else resolve(outcome.value);
}

function unavailable(operation: string, cause: unknown): OpenBankingError<'ERR_STORAGE_UNAVAILABLE'> {
  return new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation }, { cause });
}
