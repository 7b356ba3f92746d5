import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { EventLoopDelay } from '../../../src/server/metrics/event-loop-delay.ts';

const PAUSE = 0.02;

describe('the delay of the event loop', () => {
  it('is the lateness of a turn, without the pause between two samples', async () => {
    const turns = monitorEventLoopDelay({ resolution: PAUSE * 1000 });
    const delay = new EventLoopDelay();
    turns.enable();
    await sleep(500);
    const median = delay.quantiles().find(({ quantile }) => quantile === '0.5')?.seconds ?? Number.NaN;
    const medianTurn = turns.percentile(50) / 1e9;
    turns.disable();
    delay.close();
    // Both are of the same turns, busy or not.
    expect(Math.abs(median - (medianTurn - PAUSE))).toBeLessThan(PAUSE / 2);
  });

  it('has a turn that stood still', async () => {
    const delay = new EventLoopDelay();
    await sleep(50);
    const until = performance.now() + 200;
    while (performance.now() < until);
    await sleep(50);
    const longest = delay.quantiles().find(({ quantile }) => quantile === '1')?.seconds ?? 0;
    delay.close();
    expect(longest).toBeGreaterThan(0.15);
  });
});
