import { describe, expect, it } from 'vitest';
import { createRefreshable } from '../../src/remote/refreshable.ts';
import { TestClock } from '../storage/store-contract.ts';

describe('a fact that is kept fresh', () => {
  it('is read once for many callers, and again when it is too old', async () => {
    const clock = new TestClock();
    let reads = 0;
    const fact = createRefreshable({ clock, coolDownSeconds: 1, read: async () => ++reads });
    const many = await Promise.all(Array.from({ length: 200 }, () => fact.fresh(10)));
    expect(new Set(many.map(({ value }) => value))).toEqual(new Set([1]));
    clock.forward(9);
    expect((await fact.fresh(10)).value).toBe(1);
    expect((await fact.fresh(9)).value).toBe(2);
    expect(fact.last?.value).toBe(2);
  });

  it('leaves a source that failed alone for a while, and keeps the last good reading', async () => {
    const clock = new TestClock();
    let isDown = false;
    let reads = 0;
    const fact = createRefreshable({
      clock,
      coolDownSeconds: 5,
      read: async () => {
        reads += 1;
        if (isDown) throw new Error('down');
        return 'good';
      },
    });
    await fact.fresh(1);
    isDown = true;
    clock.forward(2);
    await expect(Promise.all([fact.fresh(1), fact.fresh(1)])).rejects.toThrow('down');
    clock.forward(4);
    await expect(fact.fresh(1)).rejects.toThrow('down');
    expect([reads, fact.last?.value]).toEqual([2, 'good']);
    isDown = false;
    clock.forward(1);
    expect((await fact.fresh(1)).value).toBe('good');
  });
});
