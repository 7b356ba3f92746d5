import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { monotonicMilliseconds } from '../../clock.ts';
import { DiskReserve } from './disk-reserve.ts';
import { LogCheckpoints } from './log-checkpoints.ts';
import {
  type Connection,
  type ConnectionOptions,
  createConnection,
  isBusy,
  isFull,
} from './sqlite-connection.ts';
import {
  type Operation,
  type Outcome,
  preparedOperations,
  type WriteAnswer,
  type WriteRequest,
} from './sqlite-operations.ts';
import { WritingSteps } from './writing-steps.ts';

/*
 * The writing thread. All waiting writes share one transaction and one fsync. Waits for locks and for the disk block
 * this thread only.
 */

/** Added to the deadline: after this the caller has given up, and the write is refused. */
const GRACE_MILLISECONDS = 300;
/** Writes of one transaction; bounds the time for which a write waits for the others. */
const MAX_GROUP = 256;
const RETRY_MILLISECONDS = 1;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

type Writer = Connection<(operation: Operation) => Outcome>;

/** Given to the thread at its start. */
export interface WriterData {
  readonly options: ConnectionOptions;
  readonly steps: SharedArrayBuffer;
}

function serve(port: MessagePort, { options, steps: memory }: WriterData): void {
  const steps = new WritingSteps(memory);
  const connection: Writer = createConnection(options, preparedOperations);
  const reserve = new DiskReserve(options.file);
  const checkpoints = new LogCheckpoints(options, () => moveLog(connection, steps));
  steps.enter('free');
  port.on('message', (first: WriteRequest | 'close') => {
    const requests = queued(port, first);
    const wanted = requests.filter((request) => request !== 'close');
    if (wanted.length > 0) {
      answer(port, { connection, reserve, checkpoints, steps }, wanted);
      steps.enter('free');
    }
    if (wanted.length < requests.length) {
      void checkpoints.close().then(() => {
        connection.close();
        port.close();
      });
    }
  });
}

function queued(port: MessagePort, first: WriteRequest | 'close'): (WriteRequest | 'close')[] {
  const requests: (WriteRequest | 'close')[] = [];
  let count = 0;
  for (let request: WriteRequest | 'close' | undefined = first; request !== undefined; ) {
    requests.push(request);
    count += request === 'close' ? 0 : request.operations.length;
    request = count < MAX_GROUP ? receiveMessageOnPort(port)?.message : undefined;
  }
  return requests;
}

interface Parts {
  readonly connection: Writer;
  readonly reserve: DiskReserve;
  readonly checkpoints: LogCheckpoints;
  readonly steps: WritingSteps;
}

function answer(port: MessagePort, parts: Parts, requests: readonly WriteRequest[]): void {
  let waiting = requests.filter((request) => request.deadline + GRACE_MILLISECONDS > monotonicMilliseconds());
  for (const request of requests.filter((one) => !waiting.includes(one))) {
    port.postMessage({ id: request.id, fault: parts.steps.lateness(request) } satisfies WriteAnswer);
  }
  while (waiting.length > 0) {
    try {
      const isSynced = parts.checkpoints.isBehind || !waiting.every(isPurge);
      const answers = commit(parts, waiting, isSynced);
      for (const done of answers) port.postMessage(done);
      parts.checkpoints.count(writesOf(waiting, answers));
      if (waiting.some(isPurge)) parts.reserve.grow();
      return;
    } catch (error) {
      if (isFull(error)) waiting = purgeOnFullDisk(port, parts, waiting);
      const isOver = (request: WriteRequest) => !isBusy(error) || request.deadline <= monotonicMilliseconds();
      const fault = error instanceof Error ? error.message : String(error);
      for (const { id } of waiting.filter(isOver)) port.postMessage({ id, fault } satisfies WriteAnswer);
      waiting = waiting.filter((request) => !isOver(request));
      if (waiting.length > 0) Atomics.wait(sleeper, 0, 0, RETRY_MILLISECONDS);
    }
  }
}

function isPurge({ operations }: WriteRequest): boolean {
  return operations.every((one) => one.do === 'purge' && one.limit > 0);
}

/** Records that were written or removed. */
function writesOf(requests: readonly WriteRequest[], answers: readonly WriteAnswer[]): number {
  const writes = requests.flatMap(({ operations }, request) =>
    operations.map((operation, at) => {
      const outcome = answers[request]?.outcomes?.[at];
      return operation.do === 'purge' && outcome !== undefined && 'value' in outcome
        ? Number(outcome.value)
        : 1;
    }),
  );
  return writes.reduce((sum, one) => sum + one, 0);
}

/** Moves what the log has left into the file. After a fault the log grows on, and the next write meets that fault too. */
function moveLog(connection: Writer, steps: WritingSteps): void {
  steps.enter('checkpointing');
  try {
    connection.use((_, database) => database.exec('PRAGMA wal_checkpoint(PASSIVE)'));
  } catch (error) {
    if (!(error instanceof Error && 'errcode' in error)) throw error;
  } finally {
    steps.enter('free');
  }
}

/** Removes expired records with the room of the reserve; returns the requests that are still unanswered. */
function purgeOnFullDisk(port: MessagePort, parts: Parts, requests: readonly WriteRequest[]): WriteRequest[] {
  const purges = requests.filter(isPurge);
  if (purges.length === 0) return [...requests];
  parts.reserve.release();
  try {
    const answers = commit(parts, purges, true);
    parts.connection.use((_, database) => database.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
    for (const done of answers) port.postMessage(done);
    return requests.filter((request) => !isPurge(request));
  } catch {
    // The caller answers with the fault of the first attempt.
    return [...requests];
  }
}

/**
 * Returns the answers only after COMMIT has reached the disk. A transaction of removals alone need not be synced: a removal that
 * a power cut undoes is of records that have expired, and is repeated. The next write makes it durable with itself.
 */
function commit(
  { connection, steps }: Parts,
  requests: readonly WriteRequest[],
  isSynced: boolean,
): WriteAnswer[] {
  return connection.use((perform, database) => {
    try {
      // Named by each transaction, so that no write depends on the one before.
      steps.enter('locking');
      database.exec(`PRAGMA synchronous = ${isSynced ? 'FULL' : 'NORMAL'}; BEGIN IMMEDIATE`);
      steps.enter('writing');
      const answers = requests.map(({ id, operations }) => ({ id, outcomes: operations.map(perform) }));
      steps.enter('committing');
      database.exec('COMMIT');
      return answers;
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  });
}

if (parentPort !== null) serve(parentPort, workerData as WriterData);
