import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '../tokens/contenders.ts';
import { residentMegabytes, type Started, startServer, tallyText } from './contenders.ts';
import { clientIdOf, fillStore } from './filled-store.ts';
import type { Line } from './load.ts';
import type { RegistrationBench } from './measure-registrations.ts';

const FEW = 10;
const CLIENTS = 100_000;
/** Fewer than a process keeps in memory. */
const IN_USE = 5000;
const STARTS = 3;
const WARM_SECONDS = 8;
const SEEN_SECONDS = 60;
const TOKEN = {
  path: '/token',
  contentType: 'application/x-www-form-urlencoded',
  expected: '200',
  atOnce: 16,
} as const;

/** A server with 100,000 clients in its store beside one with 10: starts, tokens a second, memory. */
export async function measureClients(bench: RegistrationBench): Promise<void> {
  const { bank, tpps, flags } = bench;
  const start = (file: string) => startServer(bank, file, { flags, accessToken: { format: 'jwt' } });
  // The first start makes the secret.
  await (await start('first')).stop();
  const secret = Buffer.from(readFileSync(join(bank.folder, 'bank.secret'), 'utf8').trim(), 'base64url');
  const counts = [FEW, CLIENTS] as const;
  for (const count of counts) {
    await fillStore(join(bank.folder, `clients-${count}.sqlite`), { secret, tpps, count });
  }
  const starts = counts.map((count) => ({ count, seconds: [] as number[] }));
  for (let round = 0; round < STARTS; round += 1) {
    for (const { count, seconds } of starts) {
      const server = await start(`clients-${count}`);
      seconds.push(server.startSeconds);
      await server.stop();
    }
  }
  for (const { count, seconds } of starts) {
    const each = seconds.map((one) => one.toFixed(2)).join(', ');
    console.log(`${count} clients: ready after ${median(seconds).toFixed(2)} s (${each})`);
  }
  const [few, many] = [await start(`clients-${FEW}`), await start(`clients-${CLIENTS}`)];
  await measureTokens(bench, { few, many });
  await few.stop();
  await many.stop();
}

async function measureTokens(
  bench: RegistrationBench,
  { few, many }: { readonly few: Started; readonly many: Started },
): Promise<void> {
  const ofInUse = linesOf(bench, IN_USE);
  const cases = [
    { name: `${FEW} clients of ${FEW}`, server: few, lines: linesOf(bench, FEW) },
    { name: `${FEW} clients of ${CLIENTS}`, server: many, lines: linesOf(bench, FEW) },
    { name: `${IN_USE} clients of ${CLIENTS}`, server: many, lines: ofInUse },
    { name: `${CLIENTS} clients of ${CLIENTS}`, server: many, lines: linesOf(bench, CLIENTS) },
  ].map((one) => ({ ...one, rates: [] as number[], costs: [] as number[] }));
  console.log(`memory before: ${residentMegabytes(few)} MB and ${residentMegabytes(many)} MB`);
  for (let round = 0; round <= bench.rounds; round += 1) {
    for (const { name, server, lines, rates, costs } of cases) {
      // Each of them once, so that the round finds them in memory.
      if (lines === ofInUse) {
        await bench.load.send(server, { ...TOKEN, lines, isOnce: true, seconds: SEEN_SECONDS });
      }
      const tally = await bench.load.send(server, {
        ...TOKEN,
        lines: lines.map((line) => turned(line, round / (bench.rounds + 1))),
        seconds: round === 0 ? WARM_SECONDS : bench.seconds,
      });
      if (round > 0) {
        rates.push(tally.count / tally.seconds);
        costs.push(tally.cpuSeconds / tally.count);
      }
      console.log(`${name}: ${tallyText(tally)}; memory ${residentMegabytes(server)} MB`);
    }
  }
  const [{ rates: base, costs: baseCosts } = { rates: [], costs: [] }] = cases;
  for (const { name, rates, costs } of cases) {
    const rate = median(rates.map((one, at) => one / (base[at] ?? Number.NaN)));
    const cpu = median(costs.map((one, at) => one / (baseCosts[at] ?? Number.NaN)));
    console.log(
      `${name}: median ${median(rates).toFixed(0)} tokens a second, ${rate.toFixed(2)} of ${FEW} of ${FEW}, ` +
        `${cpu.toFixed(2)} x the CPU each`,
    );
  }
}

/** A connection of each TPP, or of as many TPPs as there are clients, with the requests of the clients of its TPP in turns. */
function linesOf({ tpps }: RegistrationBench, clients: number): readonly Line[] {
  const used = tpps.slice(0, clients);
  return tpps.map((_, at) => {
    const tpp = used[at % used.length];
    if (tpp === undefined) throw new Error('no TPP');
    const numbers = Array.from(
      { length: Math.ceil(clients / tpps.length) },
      (_one, turn) => (at % used.length) + turn * tpps.length,
    );
    const form = 'grant_type=client_credentials&scope=accounts';
    const bodies = numbers.map((number) => `${form}&client_id=${clientIdOf(number)}`);
    return { certificateFile: tpp.certificateFile, keyFile: tpp.keyFile, bodies };
  });
}

/** Each round begins with other clients. */
function turned(line: Line, share: number): Line {
  const from = Math.floor(line.bodies.length * share);
  return { ...line, bodies: [...line.bodies.slice(from), ...line.bodies.slice(0, from)] };
}
