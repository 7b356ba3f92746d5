import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const CHILD = fileURLToPath(new URL('logging-child.ts', import.meta.url));
/** Twice as many as may wait. */
const MANY = 80_000;

let child: ChildProcess | undefined;
afterEach(() => child?.kill('SIGKILL'));

function startChild(stdout: number | 'pipe'): ChildProcess {
  child = spawn(process.execPath, [CHILD], { stdio: ['ignore', stdout, 'inherit', 'ipc'] });
  return child;
}

async function emit(to: ChildProcess, events: { refusals?: number; grants?: number }) {
  to.send({ refusals: 0, grants: 0, ...events });
  const [{ rss }] = await once(to, 'message');
  return rss as number;
}

async function exitCode(of: ChildProcess): Promise<unknown> {
  const ended = once(of, 'exit');
  of.kill('SIGTERM');
  return (await ended)[0];
}

/** Reads lines until one is the event. */
async function readUntil(from: ChildProcess, event: string) {
  let text = '';
  from.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const lines = () =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  await expect.poll(() => lines().some((line) => line.event === event), { timeout: 10_000 }).toBe(true);
  return lines();
}

describe('a log that cannot be written', () => {
  it.skipIf(process.platform !== 'linux')('does not end the process on a full disk', async () => {
    const full = openSync('/dev/full', 'w');
    const logging = startChild(full);
    closeSync(full);
    await emit(logging, { grants: MANY });
    await emit(logging, { grants: 1 });
    expect(await exitCode(logging)).toBe(0);
  });

  it('does not end the process whose reader has gone', async () => {
    const logging = startChild('pipe');
    await emit(logging, { grants: 10 });
    logging.stdout?.destroy();
    await emit(logging, { grants: 1000 });
    await emit(logging, { grants: 1000 });
    expect(await exitCode(logging)).toBe(0);
  });

  it('holds no memory beyond its bound, and neither the process nor its end, while the reader stands still', async () => {
    const logging = startChild('pipe');
    await emit(logging, { grants: MANY });
    const before = await emit(logging, { grants: MANY });
    for (let round = 0; round < 5; round += 1) await emit(logging, { grants: MANY });
    expect((await emit(logging, {})) - before).toBeLessThan(30 * 1024 * 1024);
    expect(await exitCode(logging)).toBe(0);
  });

  it('is said with the number of missing lines, as soon as lines are taken again', async () => {
    const logging = startChild('pipe');
    await emit(logging, { grants: MANY });
    const lines = await readUntil(logging, 'log.dropped');
    const [dropped, ...more] = lines.filter(({ event }) => event === 'log.dropped');
    expect([dropped.level, Number.isNaN(Date.parse(dropped.since)), more]).toEqual(['error', false, []]);
    expect(lines.filter(({ event }) => event === 'token.issued').length + dropped.count).toBe(MANY);
    await emit(logging, { grants: 1 });
    expect(await exitCode(logging)).toBe(0);
  });
});
