import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConsentRecords } from '../../src/consent/consent-records.ts';
import { silentLog } from '../../src/events.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../src/storage/store.ts';
import { TestClock } from '../storage/store-contract.ts';

const secret = Buffer.alloc(32, 7);

describe('the feed of changes', () => {
  const clock = new TestClock();
  let folder: string;
  let store: Store;
  let records: ConsentRecords;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tallystick-feed-'));
    store = await openSqliteStore({ file: join(folder, 's.sqlite'), clock, log: silentLog });
    records = new ConsentRecords({ store, clock, secret });
  });
  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const create = (consentId: string) =>
    records.create({
      consentId,
      reference: 'berlin-group',
      clientId: 'tpp',
      authorizationNumber: 'PSDGB-FCA-100',
      details: [],
      expiresAt: new Date(clock.now().getTime() + 3600_000),
      by: { kind: 'tpp' },
    });
  const reject = (consentId: string) => records.reject(consentId, { by: { kind: 'customer' } });

  it('has every change once, in its order, in pages', async () => {
    const names = Array.from({ length: 70 }, (_, n) => `consent-${n}`);
    await Promise.all(names.map(create));
    await Promise.all(names.map(reject));
    const read: string[] = [];
    let next = 0;
    for (let page = 0; page < 20; page += 1) {
      const found = await records.readChanges({ after: next, limit: 9 });
      expect(found.entries.length).toBeLessThanOrEqual(9);
      read.push(...found.entries.map(({ consentId, to }) => `${consentId} ${to}`));
      if (found.next === next) break;
      next = found.next;
    }
    expect(read.toSorted()).toEqual(
      names.flatMap((name) => [`${name} awaiting-authorisation`, `${name} rejected`]).toSorted(),
    );
    for (const name of names) {
      expect(read.indexOf(`${name} awaiting-authorisation`)).toBeLessThan(read.indexOf(`${name} rejected`));
    }
    expect(await records.readChanges({ after: next, limit: 9 })).toEqual({ entries: [], next });
  });

  it('has a change that failed at another one only as the other one', async () => {
    await create('one');
    const answers = await Promise.allSettled(Array.from({ length: 16 }, () => reject('one')));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    clock.forward(31);
    const { entries } = await records.readChanges({ after: 0, limit: 100 });
    expect(entries.map(({ to }) => to)).toEqual(['awaiting-authorisation', 'rejected']);
  });

  it('does not wait for a change that was refused', async () => {
    await create('one');
    await expect(create('one')).rejects.toMatchObject({ code: 'ERR_CONSENT_STATUS' });
    await create('two');
    const { entries } = await records.readChanges({ after: 0, limit: 9 });
    expect(entries.map(({ consentId }) => consentId)).toEqual(['one', 'two']);
  });

  it('waits for a change that is being written, and passes one that never came', async () => {
    await create('one');
    // As a process that took its number, and ended before it wrote anything.
    await store.allocate('consent-changes', 1);
    await create('two');
    const first = await records.readChanges({ after: 0, limit: 100 });
    expect(first.entries.map(({ consentId }) => consentId)).toEqual(['one']);
    clock.forward(31);
    const later = await records.readChanges({ after: first.next, limit: 100 });
    expect(later.entries.map(({ consentId }) => consentId)).toEqual(['two']);
  });

  it('goes on behind changes that are no longer kept', async () => {
    await create('old');
    await store.allocate('consent-changes', 1500);
    clock.forward(40 * 24 * 3600);
    await create('new');
    clock.forward(31);
    let next = 0;
    const found: string[] = [];
    for (let page = 0; page < 4; page += 1) {
      const read = await records.readChanges({ after: next, limit: 100 });
      found.push(...read.entries.map(({ consentId }) => consentId));
      next = read.next;
    }
    expect(found).toEqual(['new']);
  });
});
