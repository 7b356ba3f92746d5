import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ConsentUses } from '../../src/consent/consent-uses.ts';
import { type EventName, logTo, silentLog } from '../../src/events.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../src/storage/store.ts';
import { TestClock } from '../storage/store-contract.ts';

describe('the last use of a consent', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-uses-'));
  const clock = new TestClock();
  let store: Store;
  beforeAll(async () => {
    store = await openSqliteStore({ file: join(folder, 's.sqlite'), clock, log: silentLog });
  });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });

  it('is known by its day, in every process, and written once a day', async () => {
    const put = vi.fn(store.put);
    const uses = new ConsentUses({ store: { ...store, put }, clock, log: silentLog, consentSeconds: 60 });
    const other = new ConsentUses({ store, clock, log: silentLog, consentSeconds: 60 });
    expect(await uses.lastUseOf('one')).toBeUndefined();
    const first = clock.now();
    uses.note('one');
    uses.note('one');
    await uses.close();
    expect(await other.lastUseOf('one')).toEqual(first);
    expect(put).toHaveBeenCalledTimes(1);
    clock.forward(86_400);
    uses.note('one');
    await uses.close();
    expect(put).toHaveBeenCalledTimes(2);
    expect(await other.lastUseOf('one')).toEqual(clock.now());
  });

  it('fails no request, says once that the store does not write, and is written at the next use', async () => {
    const seen: EventName[] = [];
    let isAway = true;
    const uses = new ConsentUses({
      store: {
        ...store,
        put: (...words) => (isAway ? Promise.reject(new Error('away')) : store.put(...words)),
      },
      clock,
      log: logTo((name) => seen.push(name)),
      consentSeconds: 60,
    });
    uses.note('two');
    uses.note('three');
    await uses.close();
    expect(seen).toEqual(['consent.use.unrecorded']);
    isAway = false;
    uses.note('two');
    await uses.close();
    expect(await uses.lastUseOf('two')).toEqual(clock.now());
  });
});
