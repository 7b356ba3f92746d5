import { Worker } from 'node:worker_threads';
import { monotonicMilliseconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { ConnectionOptions } from './sqlite-connection.ts';
import type { Operation, Outcome, WriteAnswer, WriteRequest } from './sqlite-operations.ts';

/** Passes writes to the writing thread. */
export interface Writer {
  /**
   * Starts the thread and resolves when the thread holds the lock for writing. Without this call the start of the thread
   * counts against the time of the first write.
   *
   * @throws ERR_STORAGE_UNAVAILABLE after `milliseconds`
   */
  open(milliseconds: number): Promise<void>;
  /**
   * Resolves when the write is durable.
   *
   * @throws ERR_STORAGE_UNAVAILABLE, ERR_STORAGE_REVOKED
   */
  write(operation: Operation): Promise<boolean | number | null>;
  /** Waits for the pending writes, then closes. */
  close(): Promise<void>;
}

/** Longest wait of a write for another process that holds the file. */
const LOCK_MILLISECONDS = 1500;
/** After this the disk counts as not answering. Callers expect an answer within two seconds. */
const ANSWER_MILLISECONDS = 1900;
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
  readonly timer: NodeJS.Timeout;
}

export function createWriter(options: ConnectionOptions): Writer {
  const groups = new Map<number, Group>();
  let gathered: Waiting[] = [];
  let lastId = 0;
  let isClosed = false;
  let worker: Worker | undefined;
  let diedAt = Number.NEGATIVE_INFINITY;

  const settle = (id: number): readonly Waiting[] => {
    const group = groups.get(id);
    groups.delete(id);
    clearTimeout(group?.timer);
    return group?.waiting ?? [];
  };
  const fail = (id: number, cause: unknown) => {
    for (const { operation, reject } of settle(id)) reject(unavailable(operation.do, cause));
  };
  const started = (): Worker => {
    if (worker !== undefined) return worker;
    if (performance.now() - diedAt < RESTART_MILLISECONDS) throw new Error('the writing thread has ended');
    const thread = new Worker(WORKER, { workerData: options, execArgv: [], name: 'sqlite-writer' });
    const onEnd = (cause: unknown) => {
      if (worker !== thread) return;
      worker = undefined;
      diedAt = performance.now();
      for (const id of [...groups.keys()]) fail(id, cause);
    };
    thread.on('error', onEnd);
    thread.on('exit', () => onEnd(new Error('the writing thread has ended')));
    thread.on('message', ({ id, outcomes, fault }: WriteAnswer) => {
      if (outcomes === undefined) fail(id, new Error(fault));
      else for (const [at, waiting] of settle(id).entries()) tell(waiting, outcomes[at]);
    });
    // The timer of a group keeps the process alive while an answer is due.
    thread.unref();
    worker = thread;
    return thread;
  };
  const send = (waiting: readonly Waiting[], lockMilliseconds = LOCK_MILLISECONDS) => {
    lastId += 1;
    const id = lastId;
    const answerMilliseconds = lockMilliseconds + (ANSWER_MILLISECONDS - LOCK_MILLISECONDS);
    const timer = setTimeout(() => fail(id, new Error('the disk does not answer')), answerMilliseconds);
    groups.set(id, { waiting, timer });
    const operations = waiting.map(({ operation }) => operation);
    try {
      const thread = started();
      const request: WriteRequest = { id, deadline: monotonicMilliseconds() + lockMilliseconds, operations };
      thread.postMessage(JSON.stringify(request));
    } catch (cause) {
      fail(id, cause);
    }
  };
  const sendGathered = () => {
    if (gathered.length === 0) return;
    const waiting = gathered;
    gathered = [];
    send(waiting);
  };

  return {
    open: async (milliseconds) => {
      await new Promise((resolve, reject) => {
        const operation = { do: 'purge', now: 0, limit: 0 } as const;
        send([{ operation, resolve, reject }], milliseconds);
      });
    },
    write: (operation) =>
      new Promise((resolve, reject) => {
        if (isClosed) {
          reject(unavailable(operation.do, new Error('the store is closed')));
          return;
        }
        // The writes of one turn of the event loop form one group, up to GATHERED, so that neither thread waits.
        if (gathered.length === 0) setImmediate(sendGathered);
        gathered.push({ operation, resolve, reject });
        if (gathered.length === GATHERED) sendGathered();
      }),
    close: async () => {
      isClosed = true;
      if (gathered.length > 0) await new Promise((resolve) => setImmediate(resolve));
      const thread = worker;
      if (thread === undefined) return;
      const ended = new Promise((resolve) => thread.once('exit', resolve));
      thread.ref();
      thread.postMessage(JSON.stringify('close'));
      const timer = setTimeout(() => void thread.terminate(), CLOSE_MILLISECONDS);
      await ended;
      clearTimeout(timer);
    },
  };
}

function tell({ operation, resolve, reject }: Waiting, outcome: Outcome | undefined): void {
  if (outcome === undefined) reject(unavailable(operation.do, new Error('no answer')));
  else if ('isRevoked' in outcome) {
    const kind = 'kind' in operation ? operation.kind : '';
    reject(new OpenBankingError('ERR_STORAGE_REVOKED', { kind }));
  } else resolve(outcome.value);
}

function unavailable(operation: string, cause: unknown): OpenBankingError<'ERR_STORAGE_UNAVAILABLE'> {
  return new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation }, { cause });
}
