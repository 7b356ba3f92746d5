import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** What a process writes at SIGUSR2: by how much its event loop was late since the last one, in milliseconds. */
export interface LoopDelay {
  readonly p99: number;
  readonly max: number;
}

const RESOLUTION = 5;

/** `node --import`: measures the event loop of a server, and of each of its workers, over exactly one burst. */
const { GROWTH_FOLDER: folder } = process.env;
if (isMainThread && folder !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
  delay.enable();
  let written = 0;
  process.on('SIGUSR2', () => {
    written += 1;
    const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION);
    const answer: LoopDelay = { p99: late(delay.percentile(99)), max: late(delay.max) };
    delay.reset();
    const file = join(folder, `loop-${process.pid}-${written}.json`);
    writeFileSync(`${file}.part`, JSON.stringify(answer));
    renameSync(`${file}.part`, file);
  });
}
