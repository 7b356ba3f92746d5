import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdapterFactory } from '../../../src/authorization-server/models/adapter.ts';
import { GrantRevocation } from '../../../src/authorization-server/models/grant-revocation.ts';
import { RecordLimits } from '../../../src/authorization-server/models/record-limits.ts';
import {
  RevokedGrants,
  statusIdHash,
} from '../../../src/authorization-server/token-status/revoked-grants.ts';
import { systemClock } from '../../../src/clock.ts';
import { ConsentRecords } from '../../../src/consent/consent-records.ts';
import { Consents } from '../../../src/consent/consents.ts';
import { silentLog } from '../../../src/events.ts';
import { REDIS_SCHEMA } from '../../../src/storage/redis/redis-schema.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import { MIGRATIONS, migrate } from '../../../src/storage/sqlite/sqlite-schema.ts';
import type { Store } from '../../../src/storage/store.ts';
import { openBank } from '../bank.ts';
import { Tpp } from '../tpp.ts';
import { secondConnection } from '../../storage/sqlite/second-connection.ts';

/*
 * A store that an earlier build wrote for real, with one customer, one consent and its tokens. `KEEP_STORE=1` writes another
 * one; that is right only for a new minor release.
 */
const KEPT = fileURLToPath(new URL('kept-store.json', import.meta.url));
/** Of schema 2, before the first release. */
const EARLIER = fileURLToPath(new URL('earlier-store.json', import.meta.url));

type Row = Record<string, string | number | null>;

interface Kept {
  readonly release: string;
  readonly at: string;
  readonly schemas: { readonly sqlite: number; readonly redis: number };
  readonly secret: string;
  readonly refreshToken: string;
  readonly consentId: string;
  readonly tables: Readonly<Record<'record' | 'record_index', readonly Row[]>>;
}

const KINDS = ['Consent', 'Grant', 'RefreshToken'];
const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));

const describeMade = process.env.KEEP_STORE === undefined ? () => {} : describe;
describeMade('a store to keep', () => {
  it('is written by this build', async () => {
    const bank = await openBank();
    const tpp = new Tpp(bank);
    const server = await bank.start();
    const { json } = await tpp.exchange(server, await tpp.code(server));
    await server.stop();
    const database = secondConnection(join(bank.folder, 'bank.sqlite'), { readOnly: true });
    const kinds = KINDS.map((kind) => `'${kind}'`).join(', ');
    const rows = (table: string) =>
      database
        .prepare(`SELECT * FROM ${table} WHERE key IN (SELECT key FROM record WHERE kind IN (${kinds}))`)
        .all();
    const kept = {
      release: version,
      at: systemClock.now().toISOString(),
      schemas: { sqlite: MIGRATIONS.length, redis: REDIS_SCHEMA },
      secret: readFileSync(join(bank.folder, 'bank.secret'), 'utf8').trim(),
      refreshToken: json.refresh_token,
      consentId: decodeJwt(String(json.access_token)).consent_id,
      tables: { record: rows('record'), record_index: rows('record_index') },
    };
    writeFileSync(KEPT, `${JSON.stringify(kept, undefined, 2)}\n`);
    database.close();
    tpp.close();
    await bank.close();
  }, 120_000);
});

it('has the schema of every build of the release', () => {
  const kept: Kept = JSON.parse(readFileSync(KEPT, 'utf8'));
  const minor = (text: string) => text.split('.').slice(0, 2).join('.');
  if (minor(version) !== minor(kept.release))
    throw new Error('a new minor release needs a kept store of its own');
  expect({ sqlite: MIGRATIONS.length, redis: REDIS_SCHEMA }).toEqual(kept.schemas);
});

describe.each([
  ['an earlier build of this minor release', KEPT],
  ['a build with an earlier schema', EARLIER],
])('a store that %s wrote', (_build, keptFile) => {
  const kept: Kept = JSON.parse(readFileSync(keptFile, 'utf8'));
  const secret = Buffer.from(kept.secret, 'base64url');
  const clock = { now: () => new Date(kept.at) };
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-kept-'));
  const file = join(folder, 'store.sqlite');
  let store: Store;

  beforeAll(async () => {
    const database = secondConnection(file);
    migrate(database, MIGRATIONS.slice(0, kept.schemas.sqlite));
    for (const [table, rows] of Object.entries(kept.tables)) {
      for (const row of rows) {
        const names = Object.keys(row);
        const values = names.map((name) => `:${name}`).join(', ');
        database.prepare(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${values})`).run(row);
      }
    }
    database.close();
    store = await openSqliteStore({ file, clock, log: silentLog });
  });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });

  const parts = () => {
    const tokenStatus = new RevokedGrants({ store, clock, hashId: statusIdHash(secret) });
    const grants = new GrantRevocation({ store, clock, secret, tokenStatus });
    const perMinute = { pushedRequestsPerMinute: 1000, recordsPerMinute: 1000 };
    const models = createAdapterFactory({
      store,
      secret,
      clock,
      grants,
      limits: new RecordLimits(perMinute),
    });
    const consents = new Consents(new ConsentRecords({ store, clock, secret }), {
      endGrant: (grantId) => grants.revoke(grantId, 'ended'),
    });
    return { models, consents };
  };

  it('is read by this build: the refresh token, its grant, the consent and its customer', async () => {
    const { models, consents } = parts();
    const token = await models('RefreshToken').find(kept.refreshToken);
    expect(token).toMatchObject({ kind: 'RefreshToken', clientId: expect.any(String) });
    const grant = await models('Grant').find(String(token?.grantId));
    expect(grant).toMatchObject({ clientId: token?.clientId, accountId: token?.accountId });
    const consent = await consents.find(kept.consentId);
    expect(consent).toMatchObject({
      status: 'authorised',
      clientId: token?.clientId,
      grantId: token?.grantId,
    });
    const [own] = await consents.listOfCustomer(String(consent?.psuId));
    expect(own?.consentId).toBe(kept.consentId);
  });

  it('is changed by this build: the end of the consent ends what the earlier one granted', async () => {
    const { models, consents } = parts();
    expect(await consents.revoke(kept.consentId)).toMatchObject({ status: 'revoked' });
    expect(await models('RefreshToken').find(kept.refreshToken)).toBeUndefined();
  });
});
