import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePorts, isReady, openBank } from '../../durability/bank.ts';
import { JOURNEY_BANK } from './bank-module.ts';
import type { JourneyBurst, JourneyTally } from './walker.ts';
import { cpuSecondsOfProcess, median } from '../tokens/contenders.ts';

/*
 * Whole journeys: PAR over mutual TLS, password, code of a generator, consent with accounts, authorization code, token;
 * `tallystick serve` in one process on SQLite with every check on, every journey by another customer, on kept
 * connections from a process of its own. The CPU of a journey is of the server's process with its threads.
 * Words after the name: seconds, rounds, journeys at once, flags for the server's Node (`--cpu-prof`).
 */
const [, , , seconds = '5', rounds = '3', atOnce = '16', ...flags] = process.argv;
const WARM_SECONDS = 10;
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

const bank = await openBank();
const ports = await freePorts();
const file = join(bank.folder, 'journeys.json');
writeFileSync(join(bank.folder, 'bank.mjs'), JOURNEY_BANK);
const more = { aspspModule: 'bank.mjs', sca: { enabled: true, factors: ['totp'] } };
writeFileSync(file, JSON.stringify(bank.configuration(ports, more)));
const server = spawn(
  process.execPath,
  [...flags, here('../../../src/cli/main.ts'), 'serve', '--config', file],
  {
    stdio: ['ignore', 'ignore', 'inherit'],
  },
);
while (!(await isReady({ ports }))) await sleep(50);

const walker = fork(here('./walker.ts'), { execPath: process.execPath, execArgv: [] });
let customers = 0;
const burst = async (time: number): Promise<JourneyTally> => {
  const { description } = bank;
  customers += 1_000_000;
  const answer = once(walker, 'message');
  walker.send({
    ...{ description, ports, seconds: time, atOnce: Number(atOnce), firstCustomer: customers },
    way: 'strong',
  } satisfies JourneyBurst);
  const [tally] = await answer;
  return tally as JourneyTally;
};

await burst(WARM_SECONDS);
const measured: (JourneyTally & { readonly cpu: number; readonly walkerCpu: number })[] = [];
for (let round = 0; round < Number(rounds); round += 1) {
  const pids = [server.pid ?? 0, walker.pid ?? 0];
  const before = pids.map(cpuSecondsOfProcess);
  const tally = await burst(Number(seconds));
  const [cpu = 0, walkerCpu = 0] = pids.map((pid, at) => cpuSecondsOfProcess(pid) - (before[at] ?? 0));
  measured.push({ ...tally, cpu, walkerCpu });
  const each = (used: number) => `${((used / tally.count) * 1000).toFixed(1)} ms`;
  console.log(
    `${(tally.count / tally.seconds).toFixed(1)} journeys/s, median ${tally.p50.toFixed(0)} ms, p99 ${tally.p99.toFixed(0)} ms, ` +
      `CPU of a journey: server ${each(cpu)}, load ${each(walkerCpu)}; server uses ${(cpu / tally.seconds).toFixed(2)} cores; ` +
      `load average ${loadavg()[0]?.toFixed(1)}; errors: ${tally.errors.join('; ') || 'none'}`,
  );
}
const of = (pick: (one: (typeof measured)[number]) => number) => median(measured.map(pick));
const cpu = of((one) => one.cpu / one.count);
console.log(
  `median: ${of((one) => one.count / one.seconds).toFixed(1)} journeys/s of ${of((one) => one.requests / one.count).toFixed(1)} requests, ` +
    `p99 ${of((one) => one.p99).toFixed(0)} ms, ${(cpu * 1000).toFixed(1)} ms of CPU each`,
);
walker.kill();
server.kill('SIGTERM');
await once(server, 'exit');
await bank.close();
process.exit();
