import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cpuMilliseconds } from '../../../src/mutual-tls/limits/cpu-time.ts';
import { StartedInTurns } from '../../../src/mutual-tls/limits/started-in-turns.ts';

const TARGET_MILLISECONDS = 50;
const turnsOf = (calmMilliseconds = 60_000) =>
  new StartedInTurns({ targetMilliseconds: TARGET_MILLISECONDS, calmMilliseconds });

function work(milliseconds: number): void {
  const until = cpuMilliseconds() + milliseconds;
  // Nothing else runs.
  while (cpuMilliseconds() < until);
}

/** Requests of a millisecond each, of which always enough wait, until the queue is full. */
async function load(turns: StartedInTurns): Promise<void> {
  let waiting = 0;
  while (!turns.isFull) {
    for (; waiting < 200; waiting += 1) {
      turns.start(() => {
        waiting -= 1;
        work(1);
      });
    }
    await turn();
  }
}

describe('requests that are started in turns of the event loop', () => {
  it('starts few at once without a wait, and many over several turns, in order', async () => {
    const turns = turnsOf();
    const started: number[] = [];
    for (let at = 0; at < 300; at += 1) turns.start(() => started.push(at));
    const atOnce = started.length;
    expect(atOnce).toBeGreaterThan(16);
    expect(atOnce).toBeLessThan(100);
    await turn();
    // Requests that arrived between two turns were read before the rest was started.
    expect(started.length).toBeLessThan(300);
    await expect.poll(() => started.length).toBe(300);
    expect(started).toEqual(Array.from({ length: 300 }, (_, at) => at));
  });

  it('starts each in the context of its own caller', async () => {
    const turns = turnsOf();
    const context = new AsyncLocalStorage<number>();
    const seen: (number | undefined)[] = [];
    for (let at = 0; at < 300; at += 1) {
      context.run(at, () => turns.start(() => seen.push(context.getStore())));
    }
    await expect.poll(() => seen.length).toBe(300);
    expect(seen).toEqual(Array.from({ length: 300 }, (_, at) => at));
  });

  it('bounds no burst', () => {
    const turns = turnsOf();
    for (let at = 0; at < 1000; at += 1) turns.start(() => undefined);
    expect(turns.isFull).toBe(false);
  });

  it('bounds a queue that lasts to what is started within the target, and forgets the bound later', async () => {
    const turns = turnsOf(200);
    const before = turns.bound;
    await load(turns);
    expect(turns.bound).toBeLessThan(before);
    await expect.poll(() => turns.isFull).toBe(false);
  });

  it('goes on to start requests while many more are refused', async () => {
    const turns = turnsOf();
    const before = turns.bound;
    for (let at = 0; at < 5000; at += 1) turns.refuse();
    for (let at = 0; at < 5000; at += 1) turns.start(() => undefined);
    await turn();
    expect(turns.bound).toBeGreaterThan(5 * before);
  });
});
