import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { invalidConfig } from '../errors.ts';
import { createHealthServer } from './health.ts';
import type { Log } from '../events.ts';
import type { RunningServer } from './server.ts';
import { SharedLists } from './shared-lists.ts';

export interface WorkersOptions {
  readonly count: number;
  readonly healthPort: number;
  /** Longest time that a worker may need to stop before it is killed. */
  readonly stopSeconds: number;
  readonly log: Log;
}

type ToWorker = 'stop' | { readonly healthOf: number };
type ToPrimary = 'ready' | { readonly healthOf: number; readonly isReady: boolean };

/** A worker that died is started again after this, and twice as long each time it dies soon after. */
const FIRST_RESTART_SECONDS = 0.1;
const LONGEST_RESTART_SECONDS = 30;
/** After so long a life the next death is a first one. */
const STEADY_SECONDS = 60;
const HEALTH_MILLISECONDS = 2500;

/**
 * Starts this program again `count` times as workers that share its ports (node:cluster), and keeps them running.
 * This process serves no requests itself; it reads the lists for all workers. It is ready while one worker is. `close` stops all workers as each of them
 * stops itself, then the health port.
 *
 * @throws ERR_CONFIG_INVALID when the first worker does not start; the worker has logged the reason
 */
export async function startWorkers(options: WorkersOptions): Promise<{ close(): Promise<void> }> {
  const { count, log } = options;
  let isStopping = false;
  // Lists are sent to workers as bytes.
  cluster.setupPrimary({ serialization: 'advanced' });
  const lists = new SharedLists(log);
  cluster.on('message', (worker, message) => void lists.answer(worker, message));
  const health = createHealthServer(async () => {
    const answers = await Promise.all(Object.values(cluster.workers ?? {}).map(isWorkerReady));
    return !isStopping && answers.includes(true);
  });
  const keep = async (number: number) => {
    for (let failures = 0; !isStopping; failures += 1) {
      const startedAt = performance.now();
      await once(cluster.fork(), 'exit');
      if (isStopping) return;
      if (performance.now() - startedAt > STEADY_SECONDS * 1000) failures = 0;
      const seconds = Math.min(FIRST_RESTART_SECONDS * 2 ** failures, LONGEST_RESTART_SECONDS);
      log.emit('worker.died', { worker: number, seconds });
      await sleep(seconds * 1000);
    }
  };
  const kept = [keep(1)];
  await firstReady().catch((error: unknown) => {
    isStopping = true;
    throw error;
  });
  for (let number = 2; number <= count; number += 1) kept.push(keep(number));
  await health.listen(options.healthPort);

  return {
    close: async () => {
      isStopping = true;
      const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
      await Promise.all(workers.map((worker) => stopped(worker, options.stopSeconds)));
      await Promise.all([health.close(), lists.close()]);
      log.emit('server.stopped', { count: workers.length });
    },
  };
}

/** Lets the process that watches this worker ask for its health and stop it. Resolves when it is stopped. */
export async function serveAsWorker(server: Pick<RunningServer, 'isReady' | 'close'>): Promise<void> {
  const tell = (message: ToPrimary) => void (process.connected && process.send?.(message));
  const stopping = new Promise<void>((resolve) => {
    process.on('message', (message: ToWorker) => {
      if (message === 'stop') resolve();
      else if ('healthOf' in message) {
        const { healthOf } = message;
        void server.isReady().then((isReady) => tell({ healthOf, isReady }));
      }
    });
  });
  tell('ready');
  await stopping;
  await server.close();
}

function firstReady(): Promise<void> {
  return new Promise((resolve, reject) => {
    const onMessage = (_worker: Worker, message: ToPrimary) => {
      if (message !== 'ready') return;
      cluster.off('message', onMessage);
      resolve();
    };
    cluster.on('message', onMessage);
    cluster.once('exit', (_worker, code) => {
      const problems = [{ path: 'workers', message: `the first worker ended with exit code ${code}` }];
      reject(invalidConfig('workers', problems));
    });
  });
}

let lastQuestion = 0;

function isWorkerReady(worker: Worker | undefined): Promise<boolean> {
  lastQuestion += 1;
  const healthOf = lastQuestion;
  return new Promise((resolve) => {
    const end = (isReady: boolean) => {
      clearTimeout(timer);
      worker?.off('message', onMessage);
      resolve(isReady);
    };
    const onMessage = (message: ToPrimary) => {
      if (typeof message === 'object' && message.healthOf === healthOf) end(message.isReady);
    };
    const timer = setTimeout(() => end(false), HEALTH_MILLISECONDS);
    if (worker?.isConnected() !== true) end(false);
    else {
      worker.on('message', onMessage);
      worker.send({ healthOf } satisfies ToWorker);
    }
  });
}

async function stopped(worker: Worker, seconds: number): Promise<void> {
  const end = once(worker, 'exit');
  if (worker.isConnected()) worker.send('stop' satisfies ToWorker);
  const timer = setTimeout(() => worker.process.kill('SIGKILL'), seconds * 1000);
  await end;
  clearTimeout(timer);
}
