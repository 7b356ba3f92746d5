import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parse } from 'yaml';
import { ClientRecords } from '../../../src/authorization-server/clients/client-records.ts';
import { clientSchema, registeredClient } from '../../../src/authorization-server/clients/client-schema.ts';
import { LIST_SIZE } from '../../../src/authorization-server/token-status/status-list-allocator.ts';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { pathsOf } from '../../../src/sandbox/folder.ts';
import { PART_BITS } from '../../../src/storage/sqlite/sqlite-operations.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../../src/storage/store.ts';
import type { Bank } from '../../durability/bank.ts';

/** Adds what a file lacks of so many. */
export type Fill = (file: string, from: number, to: number, bank: Bank) => Promise<void>;

const AT_ONCE = 1000;
const HOUR_MILLISECONDS = 3_600_000;
/** The sizes of an encrypted token and an encrypted consent. */
const TOKEN = randomBytes(600).toString('base64url');
const CONSENT = randomBytes(900).toString('base64url');
const newId = () => randomBytes(32).toString('base64url');
const inAnHour = () => new Date(systemClock.now().getTime() + HOUR_MILLISECONDS);

async function fill(
  file: string,
  [from, to]: readonly [number, number],
  write: (store: Store, at: number) => Promise<unknown>,
): Promise<void> {
  const store = await openSqliteStore({ file, clock: systemClock, log: silentLog });
  for (let at = from; at < to; at += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, to - at) }, (_, one) => write(store, at + one)));
  }
  await store.close();
}

/** Live tokens of grants. */
export const fillTokens: Fill = (file, from, to) =>
  fill(file, [from, to], (store) => {
    const indexes = { grantId: newId() };
    return store.put('AccessToken', newId(), { value: TOKEN, expiresAt: inAnHour(), indexes });
  });

/** Consents, each with the indexes by which the program finds one. */
export const fillConsents: Fill = (file, from, to) =>
  fill(file, [from, to], (store) => {
    const indexes = { grantId: newId(), psuId: newId(), clientId: newId() };
    return store.put('Consent', newId(), { value: CONSENT, expiresAt: inAnHour(), indexes });
  });

/** Clients that were registered. The one that asks for tokens is of the file of clients. */
export const fillClients: Fill = async (file, from, to, bank) => {
  const secret = Buffer.from(readFileSync(join(bank.folder, 'bank.secret'), 'utf8').trim(), 'base64url');
  const [tpp] = bank.description.tpps;
  const client = registeredClient(
    clientSchema.parse({
      client_id: 'grown',
      client_name: 'Grown',
      authorization_number: tpp?.organizationIdentifier,
      nca: 'GB-FCA',
      token_endpoint_auth_method: 'tls_client_auth',
      redirect_uris: ['https://app.tpp.example/callback'],
      grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
      scope: 'openid accounts payments',
    }),
  );
  const at = systemClock.now().toISOString();
  const facts = { status: 'active', origin: 'bank', createdAt: at, changedAt: at } as const;
  let records: ClientRecords | undefined;
  await fill(file, [from, to], (store, number) => {
    records ??= new ClientRecords({ store, clock: systemClock, secret });
    return records.create({ client: { ...client, client_id: `grown-${number}` }, ...facts });
  });
};

/** Revoked tokens: bits of status lists, spread over the whole of each. */
export const fillRevocations: Fill = async (file, from, to) => {
  await fill(file, [0, 0], async () => undefined);
  const database = new DatabaseSync(file, { timeout: 5000 });
  const insert = database.prepare(
    `INSERT INTO bitmap (name, part, bits, expires_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (name, part) DO UPDATE SET bits = excluded.bits`,
  );
  const parts = LIST_SIZE / PART_BITS;
  // Half of the bits of a part.
  const partOf = (count: number) => Math.ceil(count / (PART_BITS / 2));
  database.exec('BEGIN');
  for (let part = partOf(from); part < partOf(to); part += 1) {
    const name = `token-status-${Math.floor(part / parts)}`;
    insert.run(name, part % parts, randomBytes(PART_BITS / 8), inAnHour().getTime());
  }
  database.exec('COMMIT');
  database.close();
};

/** A registry with so many TPPs, those of the sandbox among them; returns the name of its file. */
export function writeRegistry(bank: Bank, count: number): string {
  const { tpps } = parse(readFileSync(pathsOf(bank.folder).registry, 'utf8')) as {
    readonly tpps: readonly object[];
  };
  const more = Array.from({ length: Math.max(0, count - tpps.length) }, (_, at) => ({
    ...{ authorizationNumber: `PSDGB-FCA-${1_000_000 + at}`, legalName: `Third Party Provider ${at} Ltd` },
    ...{ nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' }, country: 'GB', status: 'active' },
    ...{ roles: ['PSP_AI', 'PSP_PI'], passportedCountries: ['IE', 'FR'], statusSince: '2026-01-31' },
  }));
  const file = join(bank.folder, `registry-${count}.json`);
  writeFileSync(file, JSON.stringify({ tpps: [...tpps, ...more] }));
  return file;
}
