import { describe, expect, it } from 'vitest';
import { millisecondsOf, systemClock } from '../src/clock.ts';

describe('the milliseconds of a clock', () => {
  it('are those of its instants, for the machine’s own clock and for any other', () => {
    let now = new Date('2026-01-02T03:04:05.678Z');
    const read = millisecondsOf({ now: () => now });
    expect(read()).toBe(now.getTime());
    now = new Date(0);
    expect(read()).toBe(0);
    const before = systemClock.now().getTime();
    const at = millisecondsOf(systemClock)();
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(systemClock.now().getTime());
  });
});
