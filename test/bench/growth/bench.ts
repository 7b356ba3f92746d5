import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBank } from '../../durability/bank.ts';
import { type Contender, childrenOf, startGenerator, startOwn } from '../tokens/contenders.ts';
import { openCpuQuota } from '../workers/cpu-quota.ts';
import {
  type Fill,
  fillClients,
  fillConsents,
  fillRevocations,
  fillTokens,
  writeRegistry,
} from './filled-files.ts';
import { measure, type Row } from './measure.ts';
import { plotOf } from './plot.ts';

/*
 * client_credentials over mTLS, opaque (JWT beside revocations) on SQLite with every check on, as one thing grows. Words after the name: the part, and
 * the sizes with commas (default: those of the docs). Each part writes docs/images/growth-PART.svg, and prints its table.
 */
const [, , , part = '', sizes] = process.argv;
const IMAGES = fileURLToPath(new URL('../../../docs/images/', import.meta.url));
/** Of a core, for each worker: four of them leave the other core to the load. */
const SHARE = 0.25;

const bank = await openBank();
const generator = startGenerator(bank);

async function ended({ child }: Contender): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

async function inStore(at: readonly number[], fill: Fill, format: string): Promise<Row[]> {
  const start = (name: string) =>
    startOwn(bank, name, {
      ...{ accessToken: { format }, storage: { secretFile: 'bank.secret', file: 'grown.sqlite' } },
    });
  // The first start makes the secret.
  await ended(await start('first'));
  const rows: Row[] = [];
  let filled = 0;
  for (const count of at) {
    await fill(join(bank.folder, 'grown.sqlite'), filled, count, bank);
    filled = count;
    const server = await start(`grown ${count}`);
    rows.push(await measure(server, generator, { at: count }));
    await ended(server);
  }
  return rows;
}

async function ofTpps(at: readonly number[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of at) {
    const registry = { file: writeRegistry(bank, count), pollSeconds: 1 };
    const server = await startOwn(bank, `tpps ${count}`, { registry, accessToken: { format: 'opaque' } });
    rows.push(await measure(server, generator, { at: count }));
    await ended(server);
  }
  return rows;
}

async function ofConnections(at: readonly number[]): Promise<Row[]> {
  const server = await startOwn(bank, 'connections', { accessToken: { format: 'opaque' } });
  const rows: Row[] = [];
  for (const connections of at) rows.push(await measure(server, generator, { at: connections, connections }));
  await ended(server);
  return rows;
}

async function ofWorkers(at: readonly number[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of at) {
    const server = await startOwn(bank, `workers ${count}`, {
      ...{ workers: count, accessToken: { format: 'jwt' } },
    });
    const pid = server.child.pid ?? 0;
    const quotas = (count === 1 ? [pid] : childrenOf(pid)).map((one) => openCpuQuota(one));
    for (const quota of quotas) quota.limit(SHARE);
    rows.push(
      await measure(server, generator, { at: count, connections: 16 * count, warmTokens: 8000 * count }),
    );
    for (const quota of quotas) quota.limit(undefined);
    server.child.kill('SIGKILL');
    for (const quota of quotas) quota.close();
  }
  return rows;
}

const MILLION = [10_000, 100_000, 1_000_000];
const PARTS: Readonly<
  Record<
    string,
    {
      readonly axis: string;
      readonly at: readonly number[];
      readonly run: (at: readonly number[]) => Promise<Row[]>;
    }
  >
> = {
  tokens: { axis: 'live tokens in the store', at: MILLION, run: (at) => inStore(at, fillTokens, 'opaque') },
  revocations: { axis: 'revoked tokens', at: MILLION, run: (at) => inStore(at, fillRevocations, 'jwt') },
  clients: { axis: 'clients in the store', at: MILLION, run: (at) => inStore(at, fillClients, 'opaque') },
  consents: { axis: 'consents in the store', at: MILLION, run: (at) => inStore(at, fillConsents, 'opaque') },
  tpps: { axis: 'TPPs in the registry', at: [200, 2000, 10_000, 50_000], run: ofTpps },
  connections: { axis: 'connections', at: [1, 10, 100, 1000], run: ofConnections },
  workers: { axis: `workers, each with ${SHARE} of a core`, at: [1, 2, 4], run: ofWorkers },
};

const chosen = PARTS[part];
if (chosen === undefined) {
  console.log(`npm run bench -- growth PART, where PART is one of: ${Object.keys(PARTS).join(', ')}`);
} else {
  const { axis, at, run } = chosen;
  const rows = await run(sizes === undefined ? at : sizes.split(',').map(Number));
  const plot = plotOf(
    axis,
    rows.map((row) => row.at),
    [
      { title: 'tokens a second', values: rows.map(({ tokensPerSecond }) => tokensPerSecond) },
      { title: 'p99 of an answer, ms', values: rows.map(({ p99 }) => p99) },
      { title: 'p99 of the loop delay, ms', values: rows.map(({ loopDelay }) => loopDelay) },
      { title: 'resident memory, MB', values: rows.map(({ megabytes }) => megabytes) },
    ],
  );
  writeFileSync(join(IMAGES, `growth-${part}.svg`), plot);
  console.log(`| ${axis} | tokens/s | CPU each | p99 | loop delay p99 | memory |\n|---|---|---|---|---|---|`);
  for (const row of rows) {
    const { tokensPerSecond, microseconds, p99, loopDelay, megabytes } = row;
    console.log(
      `| ${row.at.toLocaleString('en')} | ${tokensPerSecond} | ${microseconds} µs | ${p99} ms | ${loopDelay} ms | ${megabytes} MB |`,
    );
  }
}
generator.close();
await bank.close();
process.exit();
