import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConsentRecords, Consents } from '../../src/consent/consent.ts';
import { OpenBankingError } from '../../src/errors.ts';
import { silentLog } from '../../src/events.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../src/storage/store.ts';
import { TestClock } from '../storage/store-contract.ts';

const clock = new TestClock();
const secret = Buffer.alloc(32, 7);
const consent = {
  grantId: 'grant',
  clientId: 'tpp',
  authorizationNumber: 'PSDGB-FCA-100',
  psuId: 'alice',
  accountIds: ['1'],
  scopes: ['accounts'],
};

describe('a consent', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-consent-'));
  let store: Store;
  beforeAll(async () => {
    store = await openSqliteStore({ file: join(folder, 's.sqlite'), clock, log: silentLog });
  });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });

  it('has the identifier that every process with the secret computes from the grant', async () => {
    const created = await new ConsentRecords({ store, clock, secret }).create(consent, 60);
    const other = new ConsentRecords({ store, clock, secret });
    expect(other.idOf('grant')).toBe(created?.consentId);
    expect(await other.find(other.idOf('grant'))).toEqual(created);
    expect(await other.create({ ...consent, accountIds: ['2'] }, 60)).toBeUndefined();
    expect(await other.find(other.idOf('grant'))).toEqual(created);
  });

  it('has an identifier from which nobody without the secret learns, or makes, anything', () => {
    const stranger = new ConsentRecords({ store, clock, secret: Buffer.alloc(32, 8) });
    const ids = [new ConsentRecords({ store, clock, secret }), stranger].map((records) =>
      records.idOf('grant'),
    );
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^[\w-]{43}$/);
  });

  it('is not readable in the store, nor are the values by which it is found (J10)', async () => {
    const records = new ConsentRecords({ store, clock, secret });
    const hidden = { ...consent, grantId: 'hidden', psuId: 'psu-of-nobody-else', accountIds: ['account-77'] };
    const consentId = (await records.create(hidden, 60))?.consentId ?? '';
    const bytes = Buffer.concat(['s.sqlite', 's.sqlite-wal'].map((file) => readFileSync(join(folder, file))));
    expect(bytes.includes(consentId)).toBe(true);
    for (const readable of ['psu-of-nobody-else', 'account-77', consent.authorizationNumber]) {
      expect([readable, bytes.includes(readable)]).toEqual([readable, false]);
    }
  });

  it('is refused, and not "not found", when its record is readable or of another consent', async () => {
    const records = new ConsentRecords({ store, clock, secret });
    await records.create(consent, 60);
    const consentId = records.idOf(consent.grantId);
    const record = await store.find('Consent', consentId);
    await store.put('Consent', 'readable', { value: { ...consent, consentId: 'readable' } });
    await store.put('Consent', 'exchanged', { value: record?.value });
    for (const id of ['readable', 'exchanged']) {
      await expect(records.find(id)).rejects.toMatchObject({ code: 'ERR_STORAGE_UNAVAILABLE' });
    }
  });

  it('ends after its grant, and can be ended again when the grant could not', async () => {
    const records = new ConsentRecords({ store, clock, secret });
    await records.create(consent, 60);
    const consentId = records.idOf(consent.grantId);
    const asked: string[] = [];
    let isAway = true;
    const consents = new Consents(records, {
      endGrant: async (grantId) => {
        asked.push(grantId);
        expect(await records.find(consentId)).toBeDefined();
        if (isAway) throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'delete' });
      },
    });
    await expect(consents.revoke(consentId)).rejects.toMatchObject({ code: 'ERR_STORAGE_UNAVAILABLE' });
    expect(await consents.find(consentId)).toBeDefined();
    isAway = false;
    await consents.revoke(consentId);
    expect(await consents.find(consentId)).toBeUndefined();
    await consents.revoke(consentId);
    expect(asked).toEqual(['grant', 'grant']);
  });
});
