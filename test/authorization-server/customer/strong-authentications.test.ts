import { expect, it } from 'vitest';
import { StrongAuthentications } from '../../../src/authorization-server/customer/authentication/strong-authentications.ts';
import type { RecordToStore } from '../../../src/storage/store.ts';
import { TestClock } from '../../storage/store-contract.ts';

const DAY_SECONDS = 86_400;

it('a login with two elements is remembered for its customer and its TPP, for 180 days (RTS article 10a)', async () => {
  const clock = new TestClock();
  const records = new Map<string, RecordToStore>();
  const store = {
    put: async (_kind: string, id: string, record: RecordToStore) => void records.set(id, record),
    find: async (_kind: string, id: string) => {
      const record = records.get(id);
      const isLive = record?.expiresAt !== undefined && record.expiresAt > clock.now();
      return isLive ? { id, value: record.value } : undefined;
    },
  };
  const remembered = new StrongAuthentications({ store, clock, secret: Buffer.alloc(32, 7) });
  const at = clock.now();
  await remembered.note('psu-1', 'PSDGB-FCA-1');
  expect(await remembered.lastAt('psu-1', 'PSDGB-FCA-1')).toEqual(at);
  expect(await remembered.lastAt('psu-2', 'PSDGB-FCA-1')).toBeUndefined();
  expect(await remembered.lastAt('psu-1', 'PSDGB-FCA-2')).toBeUndefined();
  expect([...records.keys()].join()).not.toContain('psu-1');
  clock.forward(180 * DAY_SECONDS - 1);
  expect(await remembered.lastAt('psu-1', 'PSDGB-FCA-1')).toEqual(at);
  clock.forward(1);
  expect(await remembered.lastAt('psu-1', 'PSDGB-FCA-1')).toBeUndefined();
});
