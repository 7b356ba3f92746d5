import { parentPort, workerData } from 'node:worker_threads';
import type { CheckpointAnswer } from './log-checkpoints.ts';
import { type ConnectionOptions, createConnection } from './sqlite-connection.ts';

/*
 * The thread that moves pages of the write-ahead log into the file, on a connection of its own, while the writing thread goes
 * on to write. Each pass moves what the log had at its beginning; the last one leaves little.
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
  } catch (error) {
    // The writing thread meets a lasting fault of the file itself, and answers with it.
    const fault = error instanceof Error ? error.message : String(error);
    parentPort?.postMessage({ pages: 0, left: 0, fault } satisfies CheckpointAnswer);
  }
});
