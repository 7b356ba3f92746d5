import { describe, expect, it } from 'vitest';
import { SingleFlight } from '../../src/remote/single-flight.ts';

describe('a single flight', () => {
  it('is one run for all that ask at the same time, and a new one afterwards', async () => {
    const flight = new SingleFlight<number>();
    let runs = 0;
    const start = async () => ++runs;
    expect(await Promise.all([flight.run(start), flight.run(start), flight.run(start)])).toEqual([1, 1, 1]);
    expect(flight.isIdle).toBe(true);
    expect(await flight.run(start)).toBe(2);
  });

  it('is apart for each key', async () => {
    const flight = new SingleFlight<string>();
    const runs = ['a', 'b', 'a'].map((key) => flight.run(async () => key, key));
    expect([runs[0] === runs[2], await Promise.all(runs)]).toEqual([true, ['a', 'b', 'a']]);
  });

  it('fails for all that wait, and is tried again by the next', async () => {
    const flight = new SingleFlight<string>();
    const fail = () => Promise.reject(new Error('down'));
    const outcomes = await Promise.allSettled([flight.run(fail), flight.run(fail)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await flight.run(async () => 'up')).toBe('up');
  });

  it('is run anew after a clear, and the end of the old run leaves the new one alone', async () => {
    const flight = new SingleFlight<string>();
    const ends: ((value: string) => void)[] = [];
    const start = () => new Promise<string>((resolve) => ends.push(resolve));
    const old = flight.run(start);
    flight.clear();
    const made = flight.run(start);
    ends[0]?.('old');
    expect(await old).toBe('old');
    expect(flight.run(start)).toBe(made);
    ends[1]?.('new');
    await flight.settled();
    expect([await made, flight.isIdle]).toEqual(['new', true]);
  });
});
