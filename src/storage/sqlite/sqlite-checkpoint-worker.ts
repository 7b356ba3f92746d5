import { parentPort, workerData } from 'node:worker_threads';
import type { CheckpointAnswer } from './log-checkpoints.ts';
import { type ConnectionOptions, createConnection } from './sqlite-connection.ts';

/*
 * The thread that moves pages of the write-ahead log into the file. It has a separate connection, so that the writing
 * thread need not wait. Each pass moves the pages that the log had at its beginning. SQLite syncs the file after a pass
 * during which the log has got no other page: short passes are repeated until that has happened, or else the writing
 * thread, which moves the last pages, would wait for the sync of all of them (20 to 30 ms in a large file).
 */

const MAX_PASSES = 16;
/** Syncs of one checkpoint. The second one is short, since few pages came during the first. */
const SYNCS = 2;
/** A pass that takes longer than this for its pages has synced the file. */
const PASS_MILLISECONDS = 2.5;
const PAGE_MILLISECONDS = 0.003;
/** A log of so many pages starts again before it is synced twice, so that it stays short. */
const MOST_PAGES = 5000;

const connection = createConnection(workerData as ConnectionOptions, (database) =>
  database.prepare('PRAGMA wal_checkpoint(PASSIVE)'),
);

function checkpoint(): CheckpointAnswer {
  let answer: CheckpointAnswer = { pages: 0, left: 0 };
  let syncs = 0;
  for (let pass = 0; pass < MAX_PASSES && syncs < SYNCS; pass += 1) {
    const startedAt = performance.now();
    const row = connection.use((statement) => statement.get());
    const milliseconds = performance.now() - startedAt;
    const pages = Number(row?.log);
    const isUnchanged = pass > 0 && pages === answer.pages;
    const moved = Math.max(0, pages - answer.pages);
    answer = { pages, left: pages - Number(row?.checkpointed) };
    // Another process moves the pages, or all are moved and synced.
    if (row?.busy !== 0 || isUnchanged || pages >= MOST_PAGES) break;
    if (milliseconds > PASS_MILLISECONDS + moved * PAGE_MILLISECONDS) syncs += 1;
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
