import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DashboardSessions } from '../../../src/authorization-server/dashboard/dashboard-sessions.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../../src/storage/store.ts';
import { TestClock } from '../../storage/store-contract.ts';

const secret = Buffer.alloc(32, 7);

describe('a session at the dashboard', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-sessions-'));
  const clock = new TestClock();
  let store: Store;
  let sessions: DashboardSessions;
  beforeAll(async () => {
    store = await openSqliteStore({ file: join(folder, 's.sqlite'), clock, log: silentLog });
    sessions = new DashboardSessions({ store, clock, secret });
  });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });

  it('has a new identifier each time, and is found by it in every process (K9)', async () => {
    const ids = [await sessions.begin('alice'), await sessions.begin('alice')];
    expect(new Set(ids).size).toBe(2);
    const other = new DashboardSessions({ store, clock, secret });
    for (const id of ids) expect(await other.resume(id)).toMatchObject({ psuId: 'alice' });
    for (const id of [undefined, '', 'x'.repeat(43), `${ids[0]}x`, '../../etc']) {
      expect(await sessions.resume(id)).toBeUndefined();
    }
  });

  it('ends after five minutes without activity, and after an hour with it (K12)', async () => {
    const id = await sessions.begin('alice');
    for (let minutes = 4; minutes < 60; minutes += 4) {
      clock.forward(4 * 60);
      expect(await sessions.resume(id)).toBeDefined();
    }
    clock.forward(4 * 60);
    expect(await sessions.resume(id)).toBeUndefined();
    const idle = await sessions.begin('alice');
    clock.forward(5 * 60);
    expect(await sessions.resume(idle)).toBeUndefined();
  });

  it('is over when it is ended, also for a request that has read it before (K12)', async () => {
    const id = await sessions.begin('alice');
    let isRead = false;
    const slow = new DashboardSessions({
      store: {
        ...store,
        find: async (...words) => {
          const found = await store.find(...words);
          // The customer logs out between the reading and the renewal of another tab.
          if (!isRead) await sessions.end(id);
          isRead = true;
          return found;
        },
      },
      clock,
      secret,
    });
    expect(await slow.resume(id)).toBeUndefined();
    expect(await sessions.resume(id)).toBeUndefined();
    await sessions.end(id);
    await sessions.end('no session');
  });

  it('stays when two tabs renew it at once', async () => {
    const id = await sessions.begin('alice');
    const all = await Promise.all(Array.from({ length: 20 }, () => sessions.resume(id)));
    expect(all.filter((one) => one === undefined)).toEqual([]);
  });

  it('is not readable in the store, nor is its identifier', async () => {
    const id = await sessions.begin('psu-of-the-dashboard');
    const bytes = Buffer.concat(['s.sqlite', 's.sqlite-wal'].map((file) => readFileSync(join(folder, file))));
    expect(bytes.includes(id)).toBe(false);
    expect(bytes.includes('psu-of-the-dashboard')).toBe(false);
    const stranger = new DashboardSessions({ store, clock, secret: Buffer.alloc(32, 8) });
    expect(await stranger.resume(id)).toBeUndefined();
  });
});
