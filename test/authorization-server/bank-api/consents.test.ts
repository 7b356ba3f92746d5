import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { type BankAnswer, type BankCaller, type BankPrograms, createBankPrograms } from './bank-programs.ts';
import { hour, PAYMENT, paymentOf } from './details.ts';

let programs: BankPrograms;
let sandbox: TestSandbox;
let core: BankCaller;

beforeAll(async () => {
  programs = await createBankPrograms();
  const { section } = programs;
  sandbox = await startTestSandbox({ amendConfiguration: (own) => ({ ...own, bankApi: section }) });
  core = await programs.caller(programs.certificates.core, sandbox.description);
});
afterAll(async () => {
  await core?.close();
  await sandbox?.stop();
  await programs?.remove();
});

const EXPIRES_AT = hour(1);
const wish = (change: object = {}) => ({
  reference: 'openbanking_intent_id',
  clientId: 'money-one-mtls',
  details: [PAYMENT],
  expiresAt: EXPIRES_AT,
  ...change,
});
const create = (body: object = wish(), key: string = randomUUID()): Promise<BankAnswer> =>
  core('/v1/consents', { body, headers: { 'idempotency-key': key } });
const end = (consentId: string, how: string, body: object = {}) =>
  core(`/v1/consents/${consentId}/${how}`, { body });

describe('a consent by the bank API', () => {
  it('is made, read in the words of a language, changed, and ended, with its history', async () => {
    const created = await create(wish({ psuId: 'customer-1' }));
    expect(created.status).toBe(201);
    const { consentId, contentHash } = created.json;
    expect(created.json).toMatchObject({
      status: 'awaiting-authorisation',
      clientId: 'money-one-mtls',
      authorizationNumber: expect.stringMatching(/^PSDGB-FCA-/),
      psuId: 'customer-1',
      details: [PAYMENT],
      history: [{ to: 'awaiting-authorisation', by: { kind: 'bank', id: 'core' } }],
    });
    expect(created.text).not.toContain('grantId');
    const read = await core(`/v1/consents/${consentId}?language=de-AT`);
    expect(read.json.consentId).toBe(consentId);
    expect(read.json.view.parts[0].payment).toMatchObject({ payee: 'Example Shop' });
    const body = { details: [paymentOf('12.01')], reason: 'another amount' };
    const changed = await core(`/v1/consents/${consentId}`, { method: 'PATCH', body });
    expect(changed.status).toBe(200);
    expect(changed.json.contentHash).not.toBe(contentHash);
    expect((await end(consentId, 'reject', { reason: 'no longer wanted' })).json.status).toBe('rejected');
    const refused = await core(`/v1/consents/${consentId}`, { method: 'PATCH', body });
    expect(refused).toMatchObject({ status: 409, json: { code: 'ERR_CONSENT_STATUS' } });
    expect((await end(consentId, 'reject')).json.code).toBe('ERR_CONSENT_STATUS');
    const { history } = (await core(`/v1/consents/${consentId}`)).json;
    expect(history.map(({ to, reason }: { to: string; reason?: string }) => [to, reason])).toEqual([
      ['awaiting-authorisation', undefined],
      ['awaiting-authorisation', 'another amount'],
      ['rejected', 'no longer wanted'],
    ]);
  });

  it('is made once for one Idempotency-Key, also by many at once and for one body only', async () => {
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 8 }, () => create(wish(), key)));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(201));
    expect(new Set(answers.map(({ json }) => json.consentId)).size).toBe(1);
    const other = await create(wish({ details: [paymentOf('12.01')] }), key);
    expect(other).toMatchObject({ status: 422, json: { code: 'ERR_BANK_IDEMPOTENCY' } });
    const none = await core('/v1/consents', { body: wish() });
    expect(none).toMatchObject({ status: 400, json: { member: 'header.Idempotency-Key' } });
  });

  it('has an id of the bank, which no other consent gets', async () => {
    const consentId = `intent-${randomUUID()}`;
    const key = randomUUID();
    expect((await create(wish({ consentId }), key)).json.consentId).toBe(consentId);
    expect((await create(wish({ consentId }), key)).json.consentId).toBe(consentId);
    expect(await create(wish({ consentId }))).toMatchObject({
      status: 409,
      json: { code: 'ERR_CONSENT_STATUS' },
    });
  });

  it('is refused with a content that it may not have, with the place of the fault', async () => {
    const refused = [
      [wish({ details: [{ ...PAYMENT, more: 1 }] }), 'ERR_AUTHORIZATION_DETAILS', undefined],
      [wish({ details: [{ type: 'unknown' }] }), 'ERR_AUTHORIZATION_DETAILS', undefined],
      [wish({ details: [] }), 'ERR_BANK_REQUEST', 'body.details'],
      [wish({ clientId: 'nobody' }), 'ERR_BANK_REQUEST', 'body.clientId'],
      [wish({ expiresAt: hour(-1) }), 'ERR_BANK_REQUEST', 'body.expiresAt'],
      [wish({ expiresAt: 'tomorrow' }), 'ERR_BANK_REQUEST', 'body.expiresAt'],
      [wish({ reference: 'scope' }), 'ERR_BANK_REQUEST', 'body.reference'],
      [wish({ consentId: 'a b' }), 'ERR_CONSENT_INVALID', undefined],
    ] as const;
    for (const [body, code, member] of refused) {
      const answer = await create(body);
      expect(answer.json.code).toBe(code);
      expect(answer.json.member).toBe(member);
      expect(answer.status).toBeLessThan(500);
    }
  });

  it('that does not exist is unknown to every request', async () => {
    const unknown = { status: 404, json: { code: 'ERR_CONSENT_UNKNOWN' } };
    expect(await core('/v1/consents/none')).toMatchObject(unknown);
    for (const how of ['reject', 'revoke', 'consume']) expect(await end('none', how)).toMatchObject(unknown);
    const patch = { method: 'PATCH', body: { details: [PAYMENT] } };
    expect(await core('/v1/consents/none', patch)).toMatchObject(unknown);
  });

  it('is revoked once and for all, and cannot be consumed while no customer has allowed it', async () => {
    const { consentId } = (await create()).json;
    expect((await end(consentId, 'consume')).json).toMatchObject({ isFirst: false });
    expect((await end(consentId, 'revoke', { reason: 'fraud' })).json.status).toBe('revoked');
    const again = await end(consentId, 'revoke');
    expect(again.json.history.at(-1)).toMatchObject({ to: 'revoked', reason: 'fraud' });
  });

  it('is listed for its customer, its client and its TPP, page by page', async () => {
    const psuId = randomUUID();
    const made = [];
    for (let count = 0; count < 5; count += 1) made.push((await create(wish({ psuId }))).json.consentId);
    const pages = async (query: string) => {
      const found: string[] = [];
      for (let after = ''; ; ) {
        const { status, json } = await core(`/v1/consents?${query}&limit=2${after}`);
        expect(status).toBe(200);
        expect(json.consents.length).toBeLessThanOrEqual(2);
        found.push(...json.consents.map((one: { consentId: string }) => one.consentId));
        if (json.next === undefined) return found;
        after = `&after=${encodeURIComponent(json.next)}`;
      }
    };
    expect(await pages(`psuId=${psuId}`)).toEqual(made.toReversed());
    const [tpp] = sandbox.description.tpps.filter(({ name }) => name === 'money-one');
    for (const query of ['clientId=money-one-mtls', `authorizationNumber=${tpp?.organizationIdentifier}`]) {
      const found = await pages(query);
      expect(found).toEqual(expect.arrayContaining(made));
      expect(new Set(found).size).toBe(found.length);
    }
    expect((await core(`/v1/consents?psuId=${randomUUID()}`)).json).toEqual({ consents: [] });
    for (const query of ['', 'psuId=a&clientId=b', 'psuId=a&limit=1000', 'psuId=a&after=none']) {
      expect((await core(`/v1/consents?${query}`)).json.code).toBe('ERR_BANK_REQUEST');
    }
  });

  it('is a matter of callers that may consents', async () => {
    const app = await programs.caller(programs.certificates.app, sandbox.description);
    expect((await app('/v1/consents?psuId=a')).json.code).toBe('ERR_BANK_CALLER_PART');
    expect((await app('/v1/events')).json.code).toBe('ERR_BANK_CALLER_PART');
    await app.close();
  });
});

describe('the feed of changes', () => {
  it('is read from a cursor on, in order, and can wait for the next change', async () => {
    const reporting = await programs.caller(programs.certificates.reporting, sandbox.description);
    let { next } = (await core('/v1/events?limit=500')).json;
    const { consentId } = (await create()).json;
    const waiting = reporting(`/v1/events?after=${next}&limit=1&waitSeconds=20`);
    const first = (await waiting).json;
    expect(first.events).toMatchObject([
      { consentId, to: 'awaiting-authorisation', by: { kind: 'bank', id: 'core' } },
    ]);
    next = first.next;
    const later = reporting(`/v1/events?after=${next}&waitSeconds=20`);
    await end(consentId, 'revoke');
    const second = (await later).json;
    expect(second.events).toMatchObject([{ consentId, from: 'awaiting-authorisation', to: 'revoked' }]);
    expect(second.events[0].number).toBeGreaterThan(first.events[0].number);
    expect((await reporting(`/v1/events?after=${next}`)).json).toEqual(second);
    expect((await reporting(`/v1/events?after=${second.next}`)).json).toEqual({
      events: [],
      next: second.next,
    });
    for (const query of ['after=-1', 'after=x', 'limit=0', 'limit=501', 'waitSeconds=26']) {
      expect((await reporting(`/v1/events?${query}`)).json.code).toBe('ERR_BANK_REQUEST');
    }
    await reporting.close();
  });
});
