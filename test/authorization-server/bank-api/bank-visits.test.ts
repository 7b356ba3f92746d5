import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  BankVisits,
  type ReadVisit,
} from '../../../src/authorization-server/customer/bank-app/bank-visits.ts';
import { systemClock } from '../../../src/clock.ts';
import { openTestStores, type SharedStores } from './stores.ts';

describe.each(openTestStores)("visits to the bank's application, on $name", ({ open }) => {
  let stores: SharedStores;
  let processes: BankVisits[];
  beforeEach(async () => {
    stores = await open();
    const secret = Buffer.alloc(32, 3);
    processes = stores.all.map((store) => new BankVisits({ store, clock: systemClock, secret }));
  });
  afterEach(() => stores.close());
  const first = () => processes[0] as BankVisits;
  const inSeconds = (seconds: number) => new Date(systemClock.now().getTime() + seconds * 1000);

  it('are opened by one of 64 callers in two processes, ten times over', async () => {
    for (let round = 0; round < 10; round += 1) {
      const visit = await first().begin(randomUUID(), inSeconds(60));
      if (visit === undefined) throw new Error('a first visit begins');
      const handle = first().handleOf(visit);
      const open = async (at: number) => {
        const visits = processes[at % 2] as BankVisits;
        const read = await visits.findByHandle(handle);
        return read?.visit.stage === 'sent' && (await visits.change(read, { stage: 'opened' }));
      };
      const opened = await Promise.all(Array.from({ length: 64 }, (_, at) => open(at)));
      expect(opened.filter(Boolean)).toHaveLength(1);
    }
  });

  it('are found by handle and id while they are the latest, and not after their end', async () => {
    const uid = randomUUID();
    const [one, two] = [await first().begin(uid, inSeconds(60)), await first().begin(uid, inSeconds(60))];
    if (one === undefined || two === undefined) throw new Error('two visits begin');
    const [, other] = processes as [BankVisits, BankVisits];
    expect(await other.findByHandle(first().handleOf(one))).toBeUndefined();
    const found = (await other.findByHandle(first().handleOf(two))) as ReadVisit;
    expect(found.visit).toEqual(two);
    expect((await other.findByInteractionId(first().interactionIdOf(two)))?.visit).toEqual(two);
    // None of the three words is another one, nor the word of another visit.
    const words = [one, two].flatMap((visit) => [
      first().handleOf(visit),
      first().interactionIdOf(visit),
      first().returnCodeOf(visit),
    ]);
    expect(new Set(words).size).toBe(6);
    expect(first().isReturnCode(two, words[5] ?? '')).toBe(true);
    for (const word of words.slice(0, 5)) expect(first().isReturnCode(two, word)).toBe(false);
    const short = await first().begin(randomUUID(), inSeconds(0.05));
    await new Promise((resolve) => setTimeout(resolve, 80));
    if (short !== undefined) expect(await other.findByHandle(first().handleOf(short))).toBeUndefined();
  });
});
