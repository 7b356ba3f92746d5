import { Worker } from 'node:worker_threads';
import type { ConnectionOptions } from './sqlite-connection.ts';

/** The state of the write-ahead log after a checkpoint, in pages of 4 kB. */
export interface CheckpointAnswer {
  readonly pages: number;
  /** Those that were not moved into the file. */
  readonly left: number;
}

/** Writes between two checkpoints: about 3,000 pages in a large file. */
const WRITES = 1000;
/** A log of so many pages starts again from its beginning, once all of them are in the file. */
const RESTART_PAGES = 3000;
/** The writing thread moves so many by itself, which takes a few milliseconds. */
const FEW_PAGES = 400;
/** Run from source the thread is TypeScript, built it is JavaScript. */
const WORKER = new URL(`./sqlite-checkpoint-worker.${import.meta.url.split('.').at(-1)}`, import.meta.url);

/**
 * Keeps the write-ahead log short. A separate thread moves the pages into the file: in a large file that takes tens of
 * milliseconds, for which writes would have to wait. The thread starts when the first pages are to be moved.
 */
export class LogCheckpoints {
  readonly #options: ConnectionOptions;
  /** Moves the last pages on the connection that writes, so that its next write starts the log again. */
  readonly #moveRest: () => void;
  #worker: Worker | undefined;
  #writes = 0;
  #isUnderWay = false;

  constructor(options: ConnectionOptions, moveRest: () => void) {
    this.#options = options;
    this.#moveRest = moveRest;
  }

  /** Whether as many writes came since the last checkpoint began, and that one still goes on: the disk is slow. */
  get isBehind(): boolean {
    return this.#isUnderWay && this.#writes >= WRITES;
  }

  /** Called after each commit. */
  count(writes: number): void {
    this.#writes += writes;
    if (this.#writes < WRITES || this.#isUnderWay) return;
    this.#writes = 0;
    this.#isUnderWay = true;
    this.#started().postMessage('checkpoint');
  }

  async close(): Promise<void> {
    const thread = this.#worker;
    if (thread === undefined) return;
    const ended = new Promise((resolve) => thread.once('exit', resolve));
    thread.ref();
    thread.postMessage('close');
    await ended;
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const thread = new Worker(WORKER, {
      ...{ workerData: this.#options, execArgv: [], name: 'sqlite-checkpoint' },
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    });
    const onEnd = () => {
      this.#worker = undefined;
      this.#isUnderWay = false;
    };
    thread.on('error', onEnd);
    thread.on('exit', onEnd);
    thread.on('message', ({ pages, left }: CheckpointAnswer) => {
      this.#isUnderWay = false;
      if (pages >= RESTART_PAGES && left <= FEW_PAGES) this.#moveRest();
    });
    thread.unref();
    this.#worker = thread;
    return thread;
  }
}
