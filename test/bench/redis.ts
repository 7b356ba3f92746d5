import { Redis } from 'ioredis';
import { systemClock } from '../../src/clock.ts';
import { silentLog } from '../../src/events.ts';
import { openRedisStore } from '../../src/storage/redis/redis.ts';
import type { Store } from '../../src/storage/store.ts';
import { startRedis } from '../storage/redis/redis-servers.ts';
import { DURABLE } from './tokens/durable-redis.ts';

// The Redis store, 64 operations at once from one process, each beside the plain command of ioredis that comes nearest
// to it, on the same server in the same round: what indexes, tombstones, deadlines and WAIT cost.
const ROUNDS = 9;
const ROUND_MILLISECONDS = 500;
const AT_ONCE = 64;
const value = { sealed: 'x'.repeat(1000) };

const primary = await startRedis(DURABLE);
const replica = await startRedis({ lines: [...DURABLE.lines, `replicaof 127.0.0.1 ${primary.port}`] });
while (!(await replica.admin.info('replication')).includes('master_link_status:up'));
const url = `redis://127.0.0.1:${primary.port}`;
const open = (waitReplicas: number): Promise<Store> =>
  openRedisStore({
    settings: {
      url,
      keyPrefix: 'bench',
      waitReplicas,
      waitTimeoutMilliseconds: 1000,
      timeoutMilliseconds: 1500,
    },
    clock: systemClock,
    log: silentLog,
  });
const [store, waiting, plain] = [await open(0), await open(1), new Redis(url)];
const json = JSON.stringify(value);
let next = 0;

const record = () => ({
  value,
  expiresAt: new Date(systemClock.now().getTime() + 600_000),
  indexes: { grantId: `g${next >> 2}`, clientId: `c${next % 100}` },
});
const work = {
  'SET PX': (id: string) => plain.set(id, json, 'PX', 600_000),
  'put, two indexes': (id: string) => store.put('Token', id, record()),
  'put, two indexes, WAIT 1': (id: string) => waiting.put('Token', id, record()),
  GET: () => plain.get('plain'),
  find: () => store.find('Token', 'stored'),
  'SET NX PX': (id: string) => plain.set(`n${id}`, '1', 'PX', 600_000, 'NX'),
  putIfAbsent: (id: string) =>
    store.putIfAbsent('Replay', id, {
      value: null,
      expiresAt: new Date(systemClock.now().getTime() + 60_000),
    }),
  consume: () => store.consume('Token', 'stored'),
} satisfies Record<string, (id: string) => Promise<unknown>>;
type Name = keyof typeof work;

await plain.set('plain', json);
await store.put('Token', 'stored', record());

async function perSecond(name: Name): Promise<number> {
  // The replica has caught up with the row before.
  await plain.wait(1, 10_000);
  const from = performance.now();
  let done = 0;
  const loop = async () => {
    while (performance.now() - from < ROUND_MILLISECONDS) {
      next += 1;
      await work[name](`i${next}`);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, loop));
  return (done * 1000) / (performance.now() - from);
}

const names = Object.keys(work) as Name[];
const rounds: Record<Name, number>[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const found: Partial<Record<Name, number>> = {};
  for (const name of names) found[name] = await perSecond(name);
  rounds.push(found as Record<Name, number>);
}
const median = (of: readonly number[]) => of.toSorted((one, other) => one - other)[of.length >> 1] ?? 0;
const beside: Partial<Record<Name, Name>> = {
  'put, two indexes': 'SET PX',
  'put, two indexes, WAIT 1': 'SET PX',
  find: 'GET',
  putIfAbsent: 'SET NX PX',
  consume: 'SET NX PX',
};
for (const name of names) {
  const reference = beside[name];
  const ratio =
    reference === undefined
      ? ''
      : `, ${median(rounds.map((round) => round[name] / round[reference])).toFixed(2)} of ${reference}`;
  console.log(`${name}: ${Math.round(median(rounds.map((round) => round[name])))}/s${ratio}`);
}
plain.disconnect();
await Promise.all([store.close(), waiting.close()]);
await Promise.all([primary.kill(), replica.kill()]);
