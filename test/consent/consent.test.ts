import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createConsents } from '../../src/consent/consent.ts';
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
    const created = await createConsents({ store, clock, secret }).create(consent, 60);
    const other = createConsents({ store, clock, secret });
    expect(other.idOf('grant')).toBe(created.consentId);
    expect(await other.find(other.idOf('grant'))).toEqual(created);
    await other.revoke(created.consentId);
    expect(await other.find(created.consentId)).toBeUndefined();
  });

  it('has an identifier from which nobody without the secret learns, or makes, anything', () => {
    const stranger = createConsents({ store, clock, secret: Buffer.alloc(32, 8) });
    const ids = [createConsents({ store, clock, secret }), stranger].map(({ idOf }) => idOf('grant'));
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^[\w-]{43}$/);
  });
});
