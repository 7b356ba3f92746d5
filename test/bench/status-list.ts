import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import { RevokedCertificates } from '../../src/authorization-server/token-status/revoked-certificates.ts';
import { PrivateKeys } from '../../src/authorization-server/signing/private-keys.ts';
import { createSigningKeys } from '../../src/authorization-server/signing/kept-keys.ts';
import { isHolderAuthorised } from '../../src/authorization-server/token-status/token-holder.ts';
import { LIST_SIZE } from '../../src/authorization-server/token-status/status-list-allocator.ts';
import { TokenStatus } from '../../src/authorization-server/token-status/token-status.ts';
import { silentLog } from '../../src/events.ts';
import { PART_BITS } from '../../src/storage/sqlite/sqlite-operations.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { clientOf } from '../authorization-server/registered-client.ts';
import { createRegistry, type TppRecord } from '../../tpp-registry/index.ts';

// What the authorisation status costs the authorization server: an entry for each token, and a list that is as full of different
// holders as one can be (2,048 blocks of 64 entries), judged, compressed and signed.
const HOLDERS = 2048;
const ROUNDS = 15;
/** Of a list that was decided a moment ago: what an API with `status.maxAgeSeconds: 0` causes. */
const READS = 100;
const folder = mkdtempSync(join(tmpdir(), 'tallystick-bench-'));
let now = new Date('2026-11-24T12:00:00Z');
const clock = { now: () => now };
const file = join(folder, 's.sqlite');
const store = await openSqliteStore({ file, clock, log: silentLog });
const records = Array.from(
  { length: HOLDERS },
  (_, at): TppRecord => ({
    authorizationNumber: `PSDGB-FCA-${at}`,
    legalName: 'A TPP',
    nca: { id: 'GB-FCA' },
    country: 'GB',
    roles: new Set(['PSP_AI']),
    passportedCountries: [],
    status: 'active',
    statusSince: now,
  }),
);
const authorisationStatus = new AuthorisationStatus({ registry: createRegistry(records, now) });
const registered = new Map(
  records.map(({ authorizationNumber: number }) => [number, clientOf(number, number)]),
);
const clients = { find: (clientId: string) => registered.get(clientId) };
const status = new TokenStatus({
  store,
  accessTokenSeconds: 600,
  hashId: (id) => id,
  authorisedHolders: async () => (holder) => isHolderAuthorised(holder, { authorisationStatus, clients }),
  revokedCertificates: new RevokedCertificates({ store, clock, log: silentLog }),
  clock,
  signer: new PrivateKeys((await createSigningKeys()).keys),
  issuer: 'https://as.bank.example',
  listBaseUrl: 'https://as.bank.example/status-lists/',
});
const holderOf = ({ authorizationNumber }: TppRecord) => ({
  clientId: authorizationNumber,
  authorizationNumber,
  nca: 'GB-FCA',
  roles: ['PSP_AI'],
  certificate: {
    issuer: 'CN=An Issuing CA,O=A Trust Service Provider,C=GB',
    issuerKeyHash: '00'.repeat(32),
    serialNumber: authorizationNumber,
  },
});
const holders = records.map(holderOf);
const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

async function microsecondsOf(run: () => Promise<unknown>): Promise<number> {
  await turn();
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

for (const holder of holders) await status.reference(holder, undefined);
const again: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const one = await microsecondsOf(() =>
    Promise.all(holders.map((holder) => status.reference(holder, undefined))),
  );
  again.push(one / HOLDERS);
}
console.log(`an entry for a token without a grant: ${median(again).toFixed(1)} us of CPU`);

const milliseconds = (values: readonly number[]) => (median(values) / 1000).toFixed(1);
const forward = (seconds: number) => {
  now = new Date(now.getTime() + seconds * 1000);
};

async function measureList(title: string): Promise<void> {
  const unchanged: number[] = [];
  const signed: number[] = [];
  const revoked: number[] = [];
  const again: number[] = [];
  const [holder] = holders;
  if (holder === undefined) throw new Error('no holder');
  for (let round = 0; round < ROUNDS; round += 1) {
    forward(30);
    signed.push(await microsecondsOf(() => status.lists.current(0)));
    forward(1);
    unchanged.push(await microsecondsOf(() => status.lists.current(0)));
    const reads = await microsecondsOf(async () => {
      for (let read = 0; read < READS; read += 1) await status.lists.current(0);
    });
    again.push(reads / READS);
    const claim = await status.reference(holder, undefined);
    revoked.push(
      await microsecondsOf(async () => {
        await status.revoke(claim);
        await status.isLive(claim);
      }),
    );
  }
  console.log(
    `a list of ${HOLDERS} holders, ${title}: judged ${milliseconds(unchanged)} ms of CPU, judged and signed ` +
      `${milliseconds(signed)} ms, read again within half a second ${median(again).toFixed(0)} us; a revocation and an introspection after it ${milliseconds(revoked)} ms`,
  );
}

await measureList('no revocation');
// Written as the store keeps them: half of the bits of list 0 and of 15 others, at random, the worst to compress.
const database = new DatabaseSync(file);
const insert = database.prepare(
  `INSERT INTO bitmap (name, part, bits, expires_at) VALUES (?, ?, ?, ?)
   ON CONFLICT (name, part) DO UPDATE SET bits = excluded.bits`,
);
for (let list = 0; list < 16; list += 1) {
  for (let part = 0; part < LIST_SIZE / PART_BITS; part += 1) {
    insert.run(`token-status-${list}`, part, randomBytes(PART_BITS / 8), now.getTime() + 3_600_000);
  }
}
database.close();
await measureList('a million revocations, 65,536 of them in this list');
await store.close();
rmSync(folder, { recursive: true });
