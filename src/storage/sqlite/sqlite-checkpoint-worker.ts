import { parentPort, workerData } from 'node:worker_threads';
import type { CheckpointAnswer } from './log-checkpoints.ts';
import { type ConnectionOptions, createConnection } from './sqlite-connection.ts';

/*
 * The thread that moves pages of the write-ahead log into the file. It has a separate connection, so that the writing
 * thread need not wait. Each pass moves the pages that the log had at its beginning; the last pass leaves few.
 */

const MAX_PASSES = 4;
/** So few pages are moved in a few milliseconds. */
const FEW_PAGES = 300;

const connection = createConnection(workerData as ConnectionOptions, (database) =>
  database.prepare('PRAGMA wal_checkpoint(PASSIVE)'),
);

function checkpoint(): CheckpointAnswer {
  let answer: CheckpointAnswer = { pages: 0, left: 0 };
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    const row = connection.use((statement) => statement.get());
    const pages = Number(row?.log);
    answer = { pages, left: pages - Number(row?.checkpointed) };
    // Another process moves them.
    if (answer.left <= FEW_PAGES || row?.busy !== 0) break;
  }
  return answer;
}

parentPort?.on('message', (message: 'checkpoint' | 'close') => {
  if (message === 'close') {
    connection.close();
    parentPort?.close();
    return;
  }
  try {
    parentPort?.postMessage(checkpoint());
  } catch {
    // A lasting fault of the file reaches the writing thread too, whose requests answer with it.
    parentPort?.postMessage({ pages: 0, left: 0 } satisfies CheckpointAnswer);
  }
});
