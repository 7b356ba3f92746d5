import { describe, expect, it } from 'vitest';
import { NextFlight } from '../../src/remote/next-flight.ts';

/** Runs that end when the test says so. */
function createRuns() {
  const ends: ((outcome: number | Error) => void)[] = [];
  const start = () =>
    new Promise<number>((resolve, reject) => {
      ends.push((outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome)));
    });
  return { ends, start };
}
const turns = async () => {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
};

describe('the next flight', () => {
  it('began after the call: those that come while a run is under way share the one after it', async () => {
    const flight = new NextFlight<number>();
    const { ends, start } = createRuns();
    const first = flight.run(start);
    const [second, third] = [flight.run(start), flight.run(start)];
    expect(ends).toHaveLength(1);
    ends[0]?.(1);
    await turns();
    expect(ends).toHaveLength(2);
    const fourth = flight.run(start);
    ends[1]?.(2);
    await turns();
    ends[2]?.(3);
    expect(await Promise.all([first, second, third, fourth])).toEqual([1, 2, 2, 3]);
    const fifth = flight.run(start);
    ends[3]?.(4);
    expect([await fifth, ends.length]).toEqual([4, 4]);
  });

  it('never gives a caller a run that began before it, at whatever moment the caller comes', async () => {
    const flight = new NextFlight<number>();
    let runs = 0;
    const start = async () => {
      runs += 1;
      const mine = runs;
      for (let turn = 0; turn < mine % 5; turn += 1) await Promise.resolve();
      return mine;
    };
    const late: number[] = [];
    const caller = async (wait: number) => {
      for (let turn = 0; turn < wait; turn += 1) await Promise.resolve();
      const before = runs;
      if ((await flight.run(start)) <= before) late.push(wait);
    };
    await Promise.all(Array.from({ length: 300 }, (_, at) => caller(at)));
    expect(late).toEqual([]);
    expect(runs).toBeLessThan(300);
  });

  it('is begun after a failure too, which goes to those that shared the run alone', async () => {
    const flight = new NextFlight<number>();
    const { ends, start } = createRuns();
    const [first, second] = [flight.run(start), flight.run(start)];
    ends[0]?.(new Error('down'));
    await expect(first).rejects.toThrow('down');
    await turns();
    ends[1]?.(2);
    expect(await second).toBe(2);
  });

  it('is apart for each key', async () => {
    const flight = new NextFlight<string>();
    const runs = ['a', 'b', 'a'].map((key) => flight.run(async () => key, key));
    expect([runs[0] === runs[1], await Promise.all(runs)]).toEqual([false, ['a', 'b', 'a']]);
  });
});
