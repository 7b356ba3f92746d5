import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ATTACKS } from './attacks/attack-table.ts';
import { type AttackedBank, openAttackedBank } from './attacks/attacked-bank.ts';
import { gatewayRequests, measure, recovery, serverRequests } from './attacks/measured-service.ts';

const SECONDS = 15;
const MOST_RECOVERY_SECONDS = 60;

let attacked: AttackedBank;
const rows: string[] = [];
beforeAll(async () => {
  attacked = await openAttackedBank();
}, 60_000);
afterAll(async () => {
  await attacked.close();
  const head =
    '| attack | others answered | median, longest | CPU of a core | memory | again after | seen by the attack |';
  console.log([head, '|---|---|---|---|---|---|---|', ...rows].join('\n'));
});

describe('service to others under an attack, and after it', () => {
  it.each(ATTACKS.map((attack) => [attack.name, attack] as const))('%s', async (name, attack) => {
    const server = await attacked.start(attack);
    try {
      const { seconds: lasting = SECONDS } = attack;
      const ask =
        attack.measured === 'gateway'
          ? gatewayRequests(attacked.bank, server)
          : serverRequests(attacked.bank, server);
      // The first requests compile the code.
      for (let number = 0; number < 20; number += 1) await ask().catch(() => false);
      const over = new AbortController();
      const before = server.usage();
      let megabytes = before.megabytes;
      const watch = setInterval(() => {
        megabytes = Math.max(megabytes, server.usage().megabytes);
      }, 500);
      const report = server.attack(lasting).finally(() => over.abort());
      const served = await measure(ask, over.signal);
      clearInterval(watch);
      const cpuPercent = ((server.usage().cpuSeconds - before.cpuSeconds) / lasting) * 100;
      const seconds = await recovery(ask, MOST_RECOVERY_SECONDS);
      const after = seconds === undefined ? `not in ${MOST_RECOVERY_SECONDS} s` : `${seconds.toFixed(1)} s`;
      rows.push(
        `| ${name} | ${served.answered} of ${served.asked} | ${served.medianMilliseconds} ms, ` +
          `${served.longestMilliseconds} ms | ${cpuPercent.toFixed(0)} % | ${before.megabytes} to ${megabytes} MB | ` +
          `${after} | ${await report} |`,
      );
      console.log(rows.at(-1));
      expect(served.answered / served.asked).toBeGreaterThanOrEqual(attack.leastServed ?? 0.9);
      expect(seconds ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(attack.longestRecovery ?? 10);
    } finally {
      await server.stop();
      await sleep(200);
    }
  });
});
