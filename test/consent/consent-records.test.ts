import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consentIdOf, newGrantId } from '../../src/consent/consent.ts';
import { ConsentRecords } from '../../src/consent/consent-records.ts';
import { Consents } from '../../src/consent/consents.ts';
import { contentHashOf } from '../../src/consent/consent-changes.ts';
import { OpenBankingError } from '../../src/errors.ts';
import { silentLog } from '../../src/events.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../src/storage/store.ts';
import { TestClock } from '../storage/store-contract.ts';

const clock = new TestClock();
const secret = Buffer.alloc(32, 7);
const BANK = { by: { kind: 'bank' } } as const;
const CUSTOMER = { kind: 'customer' } as const;
const inSeconds = (seconds: number) => new Date(clock.now().getTime() + seconds * 1000);
const payment = (amount: string) => [
  { type: 'payment_initiation', instructedAmount: { currency: 'EUR', amount }, creditorName: 'Shop' },
];
const ACCESS = [{ type: 'account_information', actions: ['read_balances'] }];

describe('a consent', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-consent-'));
  let store: Store;
  let records: ConsentRecords;
  const ended: string[] = [];
  let consents: Consents;
  beforeAll(async () => {
    store = await openSqliteStore({ file: join(folder, 's.sqlite'), clock, log: silentLog });
    records = new ConsentRecords({ store, clock, secret });
    consents = new Consents(records, { endGrant: async (grantId) => void ended.push(grantId) });
  });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });

  const asking = (details: readonly { type: string }[] = ACCESS, more: object = {}) => ({
    reference: 'openbanking_intent_id' as const,
    clientId: 'tpp',
    authorizationNumber: 'PSDGB-FCA-100',
    details,
    expiresAt: inSeconds(600),
    by: { kind: 'tpp' } as const,
    ...more,
  });
  const authorisationOf = (consent: { consentId: string; contentHash: string }, more: object = {}) => ({
    contentHash: consent.contentHash,
    psuId: 'alice',
    accountIds: ['1'],
    scopes: ['accounts'],
    grantId: newGrantId(consent.consentId),
    authentication: { amr: ['pwd', 'otp'], authTime: 1 },
    expiresAt: inSeconds(3600),
    by: CUSTOMER,
    ...more,
  });

  it('waits, is authorised once by one customer, and keeps who changed it and when', async () => {
    const asked = await consents.create(asking());
    expect(asked).toMatchObject({ status: 'awaiting-authorisation', scopes: [], accountIds: [] });
    expect(asked.contentHash).toBe(contentHashOf({ clientId: 'tpp', details: ACCESS }));
    clock.forward(5);
    const approval = authorisationOf(asked);
    expect((await records.authorise(asked.consentId, approval)).isFirst).toBe(true);
    expect((await records.authorise(asked.consentId, approval)).isFirst).toBe(false);
    const found = await consents.find(asked.consentId);
    expect(found).toMatchObject({ status: 'authorised', psuId: 'alice', grantId: approval.grantId });
    expect(consentIdOf(approval.grantId)).toBe(asked.consentId);
    expect(found?.history).toMatchObject([
      { to: 'awaiting-authorisation', by: { kind: 'tpp' } },
      { from: 'awaiting-authorisation', to: 'authorised', by: CUSTOMER, at: clock.now().toISOString() },
    ]);
  });

  it('is not authorised when its content is another one than the customer saw (K3)', async () => {
    const asked = await consents.create(asking(payment('10.00')));
    const changed = await consents.change(asked.consentId, { details: payment('10.01'), ...BANK });
    expect(changed.contentHash).not.toBe(asked.contentHash);
    const refused = records.authorise(asked.consentId, authorisationOf(asked));
    await expect(refused).rejects.toMatchObject({ code: 'ERR_CONSENT_CHANGED' });
    await records.authorise(asked.consentId, authorisationOf(changed));
    const late = consents.change(asked.consentId, { details: payment('10.00'), ...BANK });
    await expect(late).rejects.toMatchObject({ code: 'ERR_CONSENT_STATUS' });
  });

  it('hashes content by members, not by their order', () => {
    const one = { type: 'x', a: 1, b: { c: 'ä', d: [1, { f: 2, e: 3 }] } };
    const other = { b: { d: [1, { e: 3, f: 2 }], c: 'ä' }, a: 1, type: 'x' };
    const hash = (detail: { type: string }) => contentHashOf({ clientId: 'tpp', details: [detail] });
    expect(hash(one)).toBe(hash(other));
    expect(hash({ ...one, a: 2 } as typeof one)).not.toBe(hash(one));
  });

  it('is a payment once: no second authorisation, and one of many consumes it', async () => {
    const asked = await consents.create(asking(payment('10.00')));
    const tries = Array.from({ length: 64 }, () => authorisationOf(asked));
    const answers = await Promise.allSettled(tries.map((one) => records.authorise(asked.consentId, one)));
    const won = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value.consent.grantId] : []));
    expect(won).toHaveLength(1);
    expect(
      answers.filter(({ status }) => status === 'rejected').map((one) => 'reason' in one && one.reason.code),
    ).toEqual(Array.from({ length: 63 }, () => 'ERR_CONSENT_STATUS'));
    const uses = await Promise.all(tries.map(() => consents.consume(asked.consentId, BANK)));
    expect(uses.filter(Boolean)).toHaveLength(1);
    expect(await consents.find(asked.consentId)).toMatchObject({ status: 'consumed', grantId: won[0] });
    expect(ended).toContain(won[0]);
    const again = records.authorise(asked.consentId, authorisationOf(asked));
    await expect(again).rejects.toMatchObject({ details: { status: 'consumed' } });
  });

  it('is renewed by its own customer only, and its end ends both grants', async () => {
    const asked = await consents.create(asking());
    const first = authorisationOf(asked);
    await records.authorise(asked.consentId, first);
    const other = records.authorise(asked.consentId, authorisationOf(asked, { psuId: 'bob' }));
    await expect(other).rejects.toMatchObject({ code: 'ERR_CONSENT_CUSTOMER' });
    const second = authorisationOf(asked, { expiresAt: inSeconds(7200) });
    expect(await records.authorise(asked.consentId, second)).toMatchObject({
      before: { grantId: first.grantId },
      consent: { grantId: second.grantId, expiresAt: inSeconds(7200) },
    });
    await consents.revoke(asked.consentId, { by: CUSTOMER, reason: 'dashboard' });
    expect(ended).toEqual(expect.arrayContaining([first.grantId, second.grantId]));
    expect((await consents.find(asked.consentId))?.history.at(-1)).toMatchObject({
      from: 'authorised',
      to: 'revoked',
      by: CUSTOMER,
      reason: 'dashboard',
    });
  });

  it('expires by itself, and cannot be authorised then', async () => {
    const asked = await consents.create(asking(ACCESS, { expiresAt: inSeconds(10) }));
    clock.forward(10);
    expect(await consents.find(asked.consentId)).toMatchObject({ status: 'expired' });
    const late = records.authorise(asked.consentId, authorisationOf(asked));
    await expect(late).rejects.toMatchObject({ details: { status: 'expired' } });
    const used = await consents.create(asking());
    await records.authorise(used.consentId, authorisationOf(used, { expiresAt: inSeconds(20) }));
    clock.forward(20);
    expect(await consents.find(used.consentId)).toMatchObject({ status: 'expired' });
    expect(await consents.consume(used.consentId, BANK)).toBe(false);
    expect(await consents.revoke(used.consentId, BANK)).toMatchObject({ status: 'expired' });
  });

  it('stays for two years after its end, and a month when no one decided', async () => {
    const undecided = await consents.create(asking());
    const rejected = await consents.create(asking());
    await consents.reject(rejected.consentId, { by: CUSTOMER });
    await expect(consents.reject(rejected.consentId, BANK)).rejects.toMatchObject({
      code: 'ERR_CONSENT_STATUS',
    });
    clock.forward(32 * 24 * 3600);
    expect(await consents.find(undecided.consentId)).toBeUndefined();
    expect(await consents.find(rejected.consentId)).toMatchObject({ status: 'rejected' });
    clock.forward(700 * 24 * 3600);
    expect(await consents.find(rejected.consentId)).toBeUndefined();
  });

  it('is authorised or revoked, never both, when both happen at once', async () => {
    for (let round = 0; round < 20; round += 1) {
      const asked = await consents.create(asking());
      const approval = authorisationOf(asked);
      const [authorised] = await Promise.allSettled([
        records.authorise(asked.consentId, approval),
        consents.revoke(asked.consentId, BANK),
      ]);
      const found = await consents.find(asked.consentId);
      expect(found?.status).toBe('revoked');
      // A grant that was authorised first has ended.
      if (authorised.status === 'fulfilled') expect(ended).toContain(approval.grantId);
    }
  });

  it('is not ended before its grant: a failure in between can be repeated', async () => {
    const asked = await consents.create(asking());
    await records.authorise(asked.consentId, authorisationOf(asked));
    let isAway = true;
    const failing = new Consents(records, {
      endGrant: async () => {
        if (isAway) throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'delete' });
      },
    });
    const failed = failing.revoke(asked.consentId);
    await expect(failed).rejects.toMatchObject({ code: 'ERR_STORAGE_UNAVAILABLE' });
    expect(await consents.find(asked.consentId)).toMatchObject({ status: 'authorised' });
    isAway = false;
    expect(await failing.revoke(asked.consentId)).toMatchObject({ status: 'revoked' });
    expect(await failing.revoke('none')).toBeUndefined();
  });

  it('without a request before it is recorded with its authorisation, once for each grant', async () => {
    const grantId = newGrantId();
    const consentId = consentIdOf(grantId);
    const { contentHash: _, ...approval } = authorisationOf({ consentId, contentHash: '' }, { grantId });
    const first = await records.createAuthorised({ ...asking([]), consentId }, approval);
    const second = await records.createAuthorised({ ...asking([]), consentId }, approval);
    expect([first.isFirst, second.isFirst]).toEqual([true, false]);
    expect(second.consent).toEqual(first.consent);
    expect(first.consent.history).toMatchObject([{ to: 'authorised' }]);
    const other = records.createAuthorised(
      { ...asking([]), consentId },
      { ...approval, grantId: newGrantId(consentId) },
    );
    await expect(other).rejects.toMatchObject({ code: 'ERR_CONSENT_STATUS' });
    await expect(consents.create(asking([], { consentId }))).rejects.toMatchObject({
      code: 'ERR_CONSENT_STATUS',
    });
    await expect(consents.create(asking([], { consentId: 'a b' }))).rejects.toMatchObject({
      code: 'ERR_CONSENT_INVALID',
    });
    expect(await consents.find('a~b')).toBeUndefined();
  });

  it('is listed by customer, the latest first, and by TPP and client in pages', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const asked = await consents.create(
        asking(ACCESS, { clientId: 'pager', authorizationNumber: 'PSDXX-PAGE-1' }),
      );
      await records.authorise(asked.consentId, authorisationOf(asked, { psuId: 'carol' }));
      ids.push(asked.consentId);
      clock.forward(1);
    }
    expect((await consents.listOfCustomer('carol')).map(({ consentId }) => consentId)).toEqual(
      ids.toReversed(),
    );
    const first = await consents.pageOfTpp('PSDXX-PAGE-1', { limit: 3 });
    const rest = await consents.pageOfTpp('PSDXX-PAGE-1', { limit: 3, after: first.next });
    expect([...first.consents, ...rest.consents].map(({ consentId }) => consentId).toSorted()).toEqual(
      ids.toSorted(),
    );
    expect(rest.next).toBeUndefined();
    expect((await consents.pageOfClient('pager', { limit: 10 })).consents).toHaveLength(5);
  });

  it('is not readable in the store, nor are the values by which it is found (J10)', async () => {
    const asked = await consents.create(asking(ACCESS, { psuId: 'psu-of-no-one-else' }));
    await records.authorise(
      asked.consentId,
      authorisationOf(asked, { psuId: 'psu-of-no-one-else', accountIds: ['account-77'] }),
    );
    const bytes = Buffer.concat(['s.sqlite', 's.sqlite-wal'].map((file) => readFileSync(join(folder, file))));
    expect(bytes.includes(asked.consentId)).toBe(true);
    for (const readable of ['psu-of-no-one-else', 'account-77', 'PSDGB-FCA-100', 'read_balances']) {
      expect([readable, bytes.includes(readable)]).toEqual([readable, false]);
    }
  });

  it('is refused, and not "not found", when its record is readable or of another consent', async () => {
    const asked = await consents.create(asking());
    const record = await store.find('Consent', asked.consentId);
    await store.put('Consent', 'readable', { value: { ...asked, consentId: 'readable' } });
    await store.put('Consent', 'exchanged', { value: record?.value });
    for (const id of ['readable', 'exchanged']) {
      await expect(records.find(id)).rejects.toMatchObject({ code: 'ERR_STORAGE_UNAVAILABLE' });
    }
  });
});
