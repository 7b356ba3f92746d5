import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ATTACKS } from './attacks/attack-table.ts';
import { type AttackedBank, openAttackedBank } from './attacks/attacked-bank.ts';
import {
  gatewayRequests,
  measure,
  recovery,
  type Served,
  serverRequests,
} from './attacks/measured-service.ts';

const SECONDS = 15;
/** A shorter time than each attack asks for, to try the test itself. */
const MOST_SECONDS = Number(process.env.ATTACK_SECONDS ?? Number.POSITIVE_INFINITY);
/** The same service without an attack, in the same minute. */
const QUIET_SECONDS = 5;
const MOST_RECOVERY_SECONDS = 60;
/** By which the memory of all processes may grow under any attack. */
const MOST_MEGABYTES = 300;

const timesOf = ({ medianMilliseconds, p99Milliseconds, longestMilliseconds }: Served) =>
  `${medianMilliseconds}, ${p99Milliseconds}, ${longestMilliseconds} ms`;

let attacked: AttackedBank;
const rows: string[] = [];
beforeAll(async () => {
  attacked = await openAttackedBank();
}, 60_000);
afterAll(async () => {
  await attacked.close();
  const head =
    '| attack | others answered | median, p99, longest | quiet | CPU of a core | memory before, highest, after | ' +
    'log lines, store | again after | seen by the attack |';
  console.log([head, '|---|---|---|---|---|---|---|---|---|', ...rows].join('\n'));
});

describe('service to others under an attack, and after it', () => {
  it.each(ATTACKS.map((attack) => [attack.name, attack] as const))('%s', async (name, attack) => {
    const server = await attacked.start(attack);
    try {
      const lasting = Math.min(attack.seconds ?? SECONDS, MOST_SECONDS);
      const ask =
        attack.measured === 'gateway'
          ? gatewayRequests(attacked.bank, server)
          : serverRequests(attacked.bank, server);
      // The first requests compile the code.
      for (let number = 0; number < 20; number += 1) await ask().catch(() => false);
      const quiet = await measure(ask, AbortSignal.timeout(Math.min(QUIET_SECONDS, lasting) * 1000));
      const over = new AbortController();
      const before = server.usage();
      const linesBefore = server.left().lines;
      let megabytes = before.megabytes;
      const watch = setInterval(() => {
        megabytes = Math.max(megabytes, server.usage().megabytes);
      }, 500);
      const report = server.attack(lasting).finally(() => over.abort());
      const served = await measure(ask, over.signal);
      clearInterval(watch);
      const cpuPercent = ((server.usage().cpuSeconds - before.cpuSeconds) / lasting) * 100;
      const seconds = await recovery(ask, MOST_RECOVERY_SECONDS);
      const again = seconds === undefined ? `not in ${MOST_RECOVERY_SECONDS} s` : `${seconds.toFixed(1)} s`;
      const left = server.left();
      const lines = left.lines - linesBefore;
      rows.push(
        `| ${name} | ${served.answered} of ${served.asked} | ${timesOf(served)} | ` +
          `${quiet.answered} of ${quiet.asked}, ${timesOf(quiet)} | ${cpuPercent.toFixed(0)} % | ` +
          `${[before.megabytes, megabytes, server.usage().megabytes].map(Math.round).join(', ')} MB | ` +
          `${lines}, ${left.storeMegabytes} MB | ${again} | ${await report} |`,
      );
      console.log(rows.at(-1));
      expect(served.answered / served.asked).toBeGreaterThanOrEqual(attack.leastServed ?? 0.9);
      expect(seconds ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(attack.longestRecovery ?? 10);
      expect(megabytes - before.megabytes).toBeLessThanOrEqual(MOST_MEGABYTES);
      const { linesASecond = Number.POSITIVE_INFINITY, storeMegabytes = Number.POSITIVE_INFINITY } =
        attack.most ?? {};
      expect(lines / (lasting + (seconds ?? MOST_RECOVERY_SECONDS))).toBeLessThanOrEqual(linesASecond);
      expect(left.storeMegabytes).toBeLessThanOrEqual(storeMegabytes);
    } finally {
      await server.stop();
      await sleep(200);
    }
  });
});
