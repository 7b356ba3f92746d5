import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttackedBank, openAttackedBank } from './attacks/attacked-bank.ts';
import { heapSamples, type Sample, slopeOf } from './soak/samples.ts';
import { drive, look, refresh, Seen } from './soak/traffic.ts';

/** Half an hour, as the README states; a shorter time to try the test itself. */
const MINUTES = Number(process.env.SOAK_MINUTES ?? 30);
/** Actions a second, for a machine that does other work as well; by default half of what the server can do. */
const RATE = Number(process.env.SOAK_RATE ?? 0);
const WITNESS = fileURLToPath(new URL('./soak/heap-witness.cjs', import.meta.url));
/** Code is compiled, caches and heaps fill. */
const WARM_UP_SHARE = 0.3;
const WATCH_MILLISECONDS = 10_000;
/** Of so many looks, one has changed files before. */
const LOOKS_A_REFRESH = 6;
const MOST_SLOPE = 1;
/** A slope of a short run is the noise of the collector. */
const LEAST_MINUTES_FOR_SLOPE = 20;
/** The connections of the watcher come and go. */
const MOST_DESCRIPTORS = 16;

interface Watched extends Sample {
  readonly descriptors: number;
  readonly loopSeconds: number;
}

let attacked: AttackedBank;
beforeAll(async () => {
  attacked = await openAttackedBank();
}, 120_000);
afterAll(() => attacked.close());

const configurationOf = (workers: number) => ({
  workers,
  audit: { folder: `audit-${workers}`, signingKeyFile: 'audit.pem' },
  connections: { exemptAddresses: ['127.0.0.1'] },
  clientLimits: { pushedRequestsPerMinute: 1_000_000, recordsPerMinute: 10_000_000 },
  requestLimits: { perTpp: 10_000_000, perAddress: 10_000_000 },
  registration: {
    profiles: [{ profile: 'certificate' }],
    quotas: { clients: 1000, requestsPerHour: 100_000 },
  },
});

const rangeOf = (values: readonly number[]) => [Math.min(...values), Math.max(...values)] as const;

describe.each([1, 2])('a server with every feature on, at half of its rate, with workers: %i', (workers) => {
  it(`keeps its memory and its descriptors for ${MINUTES} minutes (N11, R7)`, async () => {
    const server = await attacked.start({
      name: 'soak',
      configuration: configurationOf(workers),
      nodeFlags: ['--expose-gc', '-r', WITNESS],
      run: async () => '',
    });
    const { bank } = attacked;
    try {
      const seen = new Seen();
      const driven = { bank, server, seen };
      const capacity = await drive(driven, { seconds: 5, rate: 0 });
      const from = performance.now();
      const seconds = () => (performance.now() - from) / 1000;
      const samples: Watched[] = [];
      const load = drive(driven, { seconds: MINUTES * 60, rate: RATE === 0 ? capacity / 2 : RATE });
      // Awaited below; a failure of it must not end the run as an unhandled one.
      load.catch(() => undefined);
      for (let turn = 0; seconds() < MINUTES * 60; turn += 1) {
        if (turn % LOOKS_A_REFRESH === 0) refresh(driven, turn / LOOKS_A_REFRESH);
        const loopSeconds = await look(driven);
        const { megabytes, descriptors } = server.usage();
        samples.push({ seconds: seconds(), megabytes, descriptors, loopSeconds });
        await sleep(WATCH_MILLISECONDS);
      }
      const rate = await load;
      const isWarm = (sample: Sample) => sample.seconds > MINUTES * 60 * WARM_UP_SHARE;
      const warm = samples.filter(isWarm);
      const written = readFileSync(join(bank.folder, 'heap-witness.jsonl'), 'utf8');
      const heaps = heapSamples(written, from + performance.timeOrigin)
        .map((one) => one.filter(isWarm))
        .filter((one) => one.length > 1);
      const heapSlopes = heaps.map(slopeOf);
      const descriptors = rangeOf(warm.map((sample) => sample.descriptors));
      const handles = heaps.map((one) => rangeOf(one.map((sample) => sample.handles)));
      const faults = server.unexpected();
      console.log(
        `workers ${workers}, ${MINUTES} min: ${capacity.toFixed(0)} actions/s, then ${rate.toFixed(0)}/s; ` +
          `resident ${warm[0]?.megabytes.toFixed(0)} to ${warm.at(-1)?.megabytes.toFixed(0)} MB, slope ${slopeOf(warm).toFixed(2)} MB in 10 min; ` +
          `after collections ${heaps.map((one) => `${one[0]?.megabytes.toFixed(1)} to ${one.at(-1)?.megabytes.toFixed(1)}`).join(', ')} MB without code, ` +
          `code to ${heaps.map((one) => one.at(-1)?.codeMegabytes.toFixed(1)).join(', ')} MB, slopes ${heapSlopes.map((slope) => slope.toFixed(2)).join(', ')}; ` +
          `descriptors ${descriptors.join(' to ')}, handles ${handles.map((one) => one.join(' to ')).join(', ')}; ` +
          `loop delay p99 at most ${(Math.max(...warm.map(({ loopSeconds }) => loopSeconds)) * 1000).toFixed(0)} ms; ` +
          `${JSON.stringify(Object.fromEntries(seen.counts))}; ${faults.length} unexpected`,
      );
      expect(seen.wrong).toEqual([]);
      expect(faults).toEqual([]);
      expect(descriptors[1] - descriptors[0]).toBeLessThanOrEqual(MOST_DESCRIPTORS);
      for (const [least, most] of handles) expect(most - least).toBeLessThanOrEqual(MOST_DESCRIPTORS);
      if (MINUTES < LEAST_MINUTES_FOR_SLOPE) return;
      // Resident memory also holds what the collector has not returned; the heap after a collection decides.
      for (const slope of heapSlopes) expect(slope).toBeLessThan(MOST_SLOPE);
    } finally {
      await server.stop();
    }
  });
});
