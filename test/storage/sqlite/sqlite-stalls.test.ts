import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { monotonicMilliseconds, systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import { WritingSteps } from '../../../src/storage/sqlite/writing-steps.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-stalls-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the SQLite store while threads get no processor', () => {
  it('answers a write that was made while the serving thread stood still longer than a write may take (M8)', async () => {
    const store = await openSqliteStore({
      file: join(folder, 's.sqlite'),
      clock: systemClock,
      log: silentLog,
    });
    const write = store.put('Token', 'a', { value: 1 });
    // The turn in which the write goes to its thread.
    await turn();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
    await expect(write).resolves.toBeUndefined();
    expect((await store.find('Token', 'a'))?.value).toBe(1);
    await store.close();
  });

  it('tells a slow disk from a thread without a processor', () => {
    const steps = new WritingSteps();
    expect(steps.text).toMatch(/^the writing thread starts \(for \d+ ms\)$/);
    const ofOtherThread = new WritingSteps(steps.memory);
    ofOtherThread.enter('committing');
    expect(steps.text).toMatch(/^the writing thread commits to the disk \(for \d+ ms\)$/);
    ofOtherThread.enter('free');
    // Sent before the thread was free, and long ago.
    const late = ofOtherThread.lateness({ sentAt: monotonicMilliseconds() - 5000 });
    expect(late).toMatch(
      /^the write came too late: it waited 5\d{3} ms, the last \d{1,3} of them for a processor$/,
    );
  });
});
