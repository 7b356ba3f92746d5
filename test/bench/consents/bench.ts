import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { systemClock } from '../../../src/clock.ts';
import { ConsentRecords } from '../../../src/consent/consent-records.ts';
import { newGrantId } from '../../../src/consent/consent.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { RecordToStore, Store } from '../../../src/storage/store.ts';
import { PagesBench } from '../../authorization-server/customer/pages-bench.ts';
import { openStore, redisSettings } from '../../storage/redis/redis-contract.ts';
import { startRedis } from '../../storage/redis/redis-servers.ts';

// A store with a million consents: how long a find takes, and a page of the dashboard over TLS, of a customer with 20 of them.
// `npm run bench -- consents [sqlite|redis] [count]`.
const [kind = 'sqlite', count = '1000000'] = process.argv.slice(3);
const COUNT = Number(count);
const OF_CUSTOMER = 20;
const AT_ONCE = 500;
const ROUNDS = 300;
const ALICE = 'psu-6f1c2a';

const folder = await mkdtemp(join(tmpdir(), 'tallystick-bench-'));
const redis = kind === 'redis' ? await startRedis() : undefined;
const store: Store =
  redis === undefined
    ? await openSqliteStore({ file: join(folder, 's.sqlite'), clock: systemClock, log: silentLog })
    : await openStore(redisSettings({ url: `redis://127.0.0.1:${redis.port}`, timeoutMilliseconds: 60_000 }));
const bench = await PagesBench.open({ store }, { dashboard: { enabled: true } });
const secretText = await readFile(
  String((bench.bank.config.storage as { secretFile: string }).secretFile),
  'utf8',
);
const secret = Buffer.from(secretText.trim(), 'base64url');

// The records of the program, written without the numbers of the feed.
const made = new Map<string, { readonly kind: string; readonly record: RecordToStore }>();
const capturing = new ConsentRecords({
  store: {
    ...store,
    allocate: async () => 0,
    put: async () => {},
    putIfAbsent: async (of, id, record) => {
      made.set(id, { kind: of, record });
      return true;
    },
  },
  clock: systemClock,
  secret,
});
const expiresAt = new Date(systemClock.now().getTime() + 180 * 86_400_000);
async function write(at: number): Promise<void> {
  const psuId = at < OF_CUSTOMER ? ALICE : `psu-${Math.floor(at / OF_CUSTOMER)}`;
  const by = { kind: 'customer' } as const;
  const asked = { clientId: `client-${at % 200}`, authorizationNumber: `PSDGB-FCA-${at % 100}` };
  const details = [{ type: 'account_information', actions: ['list_accounts', 'read_balances'] }];
  const requester = { service: `Service ${at % 200}`, legalName: `Company ${at % 100}` };
  await capturing.createAuthorised(
    { ...asked, consentId: `bench-${at}`, reference: 'authorization_details', details, expiresAt, by },
    {
      psuId,
      accountIds: ['acc-1001'],
      scopes: ['accounts'],
      grantId: newGrantId(`bench-${at}`),
      expiresAt,
      requester,
      by,
    },
  );
  const captured = made.get(`bench-${at}`);
  made.delete(`bench-${at}`);
  if (captured === undefined) return;
  const put = () => store.putIfAbsent(captured.kind, `bench-${at}`, captured.record);
  // A busy machine may not write in time: again, which changes nothing.
  for (let left = 20; left > 0; left -= 1) {
    const isDone = await put().then(
      () => true,
      () => false,
    );
    if (isDone) return;
  }
  throw new Error('the store does not write');
}

const began = performance.now();
for (let at = 0; at < COUNT; at += AT_ONCE) {
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, COUNT - at) }, (_, one) => write(at + one)));
}
console.log(`${kind}: ${COUNT} consents written in ${Math.round((performance.now() - began) / 1000)} s`);

const records = new ConsentRecords({ store, clock: systemClock, secret });
await report('find', async (round) => {
  const found = await records.find(`bench-${(round * 7919) % COUNT}`);
  if (found === undefined) throw new Error('not found');
});
await report('listOfCustomer (20)', async (round) => {
  const own = await records.listOfCustomer(`psu-${1 + ((round * 7919) % (COUNT / OF_CUSTOMER - 1))}`);
  if (own.length !== OF_CUSTOMER) throw new Error(`${own.length} consents`);
});
const cookies = new Map<string, string>();
const browse = async (path: string, form?: URLSearchParams) => {
  const answer = await bench.tpp.browse(bench.to, path, { cookies, ...(form === undefined ? {} : { form }) });
  for (const field of [answer.headers['set-cookie'] ?? []].flat()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(field) ?? [];
    cookies.set(name, value);
  }
  return answer;
};
const login = await browse('/consents/login');
const csrf = /name="csrf" value="([^"]*)"/.exec(login.text)?.[1] ?? '';
await browse(
  '/consents/login',
  new URLSearchParams({ csrf, step: '0', action: 'login', username: 'alice', password: 'x' }),
);
await report('page of the dashboard', async () => {
  const page = await browse('/consents');
  if (page.status !== 200 || !page.text.includes('class="access"')) throw new Error(page.text.slice(0, 500));
});

async function report(name: string, work: (round: number) => Promise<void>): Promise<void> {
  const times: number[] = [];
  const cpu = process.cpuUsage();
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    await work(round);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const used = process.cpuUsage(cpu);
  // Of client and server: both are in this process. Steady on a busy machine.
  const cpuMilliseconds = (used.user + used.system) / 1000 / ROUNDS;
  const at = (share: number) => (times[Math.floor(share * times.length)] ?? 0).toFixed(2);
  console.log(
    `${kind}: ${name}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, CPU ${cpuMilliseconds.toFixed(2)} ms`,
  );
}

await bench.close();
await redis?.kill();
await rm(folder, { recursive: true, force: true });
