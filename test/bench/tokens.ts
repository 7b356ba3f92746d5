import { hasRedis, startRedis } from '../storage/redis/redis-servers.ts';
import { DURABLE } from './tokens/durable-redis.ts';
import { openBank } from '../durability/bank.ts';
import {
  type Contender,
  cpuSecondsOf,
  median,
  pin,
  startBare,
  startGenerator,
  startOwn,
} from './tokens/contenders.ts';

/*
 * client_credentials tokens over mTLS on 16 kept connections, with every check on and the token in a durable store,
 * beside bare oidc-provider with its in-memory adapter. Redis writes each token to its disk before it answers
 * (`appendfsync always`), and its CPU counts. Every server has one core, the load and Redis the other. The contenders take turns in each round; a ratio compares two
 * that ran one after the other, and the median of the rounds is told. Words after the name: rounds and seconds, and
 * `audit` for the cost of the audit record alone, with another number of connections behind it if wanted.
 */
const [, , , rounds = '7', seconds = '2', only, connections = '16'] = process.argv;
const WARM_TOKENS = 20_000;
/** On a busy machine. */
const WARM_SECONDS = 10;
const [SERVERS, LOAD] = [0, 1];
const bank = await openBank();
const isOfAudit = only === 'audit';
const redis = hasRedis && !isOfAudit ? await startRedis(DURABLE) : undefined;
const onRedis = { secretFile: 'bank.secret', redis: { url: `redis://127.0.0.1:${redis?.port}` } };
const format = (name: string) => ({ accessToken: { format: name } });

const started: Contender[] = [];
const add = async (contender: Contender | Promise<Contender>) => {
  started.push(await contender);
  return started.length - 1;
};
const pairs: [contender: number, measure: number][] = [];
for (const name of ['opaque', 'jwt'] as const) {
  if (isOfAudit) {
    const without = await add(startOwn(bank, `ours, SQLite, ${name}`, format(name)));
    const audit = { folder: `audit-${name}`, signingKeyFile: 'audit.key' };
    const own = startOwn(bank, `ours, SQLite, ${name}, audit`, { ...format(name), audit });
    pairs.push([await add(own), without]);
    continue;
  }
  const bare = await add(startBare(bank, name));
  const sqlite = await add(startOwn(bank, `ours, SQLite, ${name}`, format(name)));
  pairs.push([sqlite, bare]);
  if (redis !== undefined) {
    const own = await startOwn(bank, `ours, Redis, ${name}`, { ...format(name), storage: onRedis });
    pairs.push([await add({ ...own, besides: [redis.process.pid ?? 0] }), bare]);
  }
}

const generator = startGenerator(bank);
for (const { child } of started) pin(SERVERS, child.pid);
pin(LOAD, process.pid, generator.pid, ...(redis === undefined ? [] : [redis.process.pid]));
process.once('exit', () => {
  for (const { child } of started) child.kill('SIGKILL');
});
const rates = started.map((): number[] => []);
const costs = started.map((): number[] => []);
const slow = started.map((): number[] => []);
let errors = 0;
// The compiler of the engine takes thousands of requests to be done.
for (const contender of started) {
  for (let count = 0, time = 0; count < WARM_TOKENS && time < WARM_SECONDS; time += 1)
    count += (await generator.burst(contender, 1, { connections: 32 })).count;
}
for (let round = 0; round < Number(rounds); round += 1) {
  for (const [at, contender] of started.entries()) {
    const before = cpuSecondsOf(contender);
    const tally = await generator.burst(contender, Number(seconds), { connections: Number(connections) });
    const used = cpuSecondsOf(contender) - before;
    errors += tally.errors;
    rates[at]?.push(tally.count / tally.seconds);
    costs[at]?.push((used / tally.count) * 1e6);
    slow[at]?.push(tally.p99);
  }
}
for (const [at, { name }] of started.entries()) {
  const rate = Math.round(median(rates[at] ?? []));
  const cost = Math.round(median(costs[at] ?? []));
  console.log(
    `${name}: ${rate} tokens/s, ${cost} us of CPU each, p99 ${median(slow[at] ?? []).toFixed(1)} ms`,
  );
}
const ratio = (of: readonly number[], to: readonly number[]) =>
  median(of.map((value, at) => value / (to[at] ?? Number.NaN))).toFixed(2);
for (const [at, measure] of pairs) {
  const tokens = ratio(rates[at] ?? [], rates[measure] ?? []);
  const cpu = ratio(costs[at] ?? [], costs[measure] ?? []);
  console.log(
    `${started[at]?.name} / ${started[measure]?.name}: ${tokens} x the tokens, ${cpu} x the CPU each`,
  );
}
console.log(`${errors} errors`);
generator.close();
await redis?.kill();
await bank.close();
process.exit();
