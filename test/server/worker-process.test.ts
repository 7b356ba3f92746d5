import { fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { WorkerProcess } from '../../src/server/workers/worker-process.ts';

/** Loses every message until it is ready, as a worker that receives its lists does. */
const SLOW_TO_START = `
process.on('message', () => undefined);
setTimeout(() => {
  process.on('message', (message) => message === 'stop' && process.exit(7));
  process.send('ready');
}, 300);
`;

it('a worker that is stopped while it starts ends as soon as it has started', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-worker-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const script = join(folder, 'worker.mjs');
  await writeFile(script, SLOW_TO_START);
  const worker = new WorkerProcess({ child: fork(script, { execArgv: [] }), onChange: () => undefined });
  await worker.stop(60);
  expect(await worker.ended).toBe('exit code 7');
  expect(worker.isServing).toBe(false);
});
