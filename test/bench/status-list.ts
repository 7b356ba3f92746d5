import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { RevokedCertificates } from '../../src/authorization-server/token-status/revoked-certificates.ts';
import { PrivateKeys } from '../../src/authorization-server/signing/private-keys.ts';
import { createSigningKeys } from '../../src/authorization-server/signing/signing-keys.ts';
import { isHolderAuthorised } from '../../src/authorization-server/token-status/token-holder.ts';
import { TokenStatus } from '../../src/authorization-server/token-status/token-status.ts';
import { silentLog } from '../../src/events.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { clientOf } from '../authorization-server/registered-client.ts';
import { createRegistry, type TppRecord } from '../../tpp-registry/index.ts';

// What the authorisation status costs the authorization server: an entry for each token, and a list that is as full of different
// holders as one can be (2,048 blocks of 64 entries), judged, compressed and signed.
const HOLDERS = 2048;
const ROUNDS = 15;
const folder = mkdtempSync(join(tmpdir(), 'tallystick-bench-'));
let now = new Date('2026-11-24T12:00:00Z');
const clock = { now: () => now };
const store = await openSqliteStore({ file: join(folder, 's.sqlite'), clock, log: silentLog });
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

const unchanged: number[] = [];
const signed: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  now = new Date(now.getTime() + 30_000);
  signed.push(await microsecondsOf(() => status.lists.current(0)));
  now = new Date(now.getTime() + 1000);
  unchanged.push(await microsecondsOf(() => status.lists.current(0)));
}
const milliseconds = (values: readonly number[]) => (median(values) / 1000).toFixed(1);
console.log(
  `a list of ${HOLDERS} holders, judged: ${milliseconds(unchanged)} ms of CPU; and signed: ${milliseconds(signed)} ms`,
);
await store.close();
rmSync(folder, { recursive: true });
