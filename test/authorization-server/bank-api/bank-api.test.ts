import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { fileOf } from '../../docs/pages.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { type BankCaller, type BankPrograms, createBankPrograms } from './bank-programs.ts';

let programs: BankPrograms;
let sandbox: TestSandbox;
const callers: BankCaller[] = [];
const calling = async (certificate: Parameters<BankPrograms['caller']>[0]): Promise<BankCaller> => {
  const caller = await programs.caller(certificate, sandbox.description);
  callers.push(caller);
  return caller;
};

beforeAll(async () => {
  programs = await createBankPrograms();
  const { section } = programs;
  sandbox = await startTestSandbox({ amendConfiguration: (own) => ({ ...own, bankApi: section }) });
});
afterAll(async () => {
  await Promise.all(callers.map((caller) => caller.close()));
  await sandbox?.stop();
  await programs?.remove();
});

describe('a caller of the bank API', () => {
  it('has the parts that the configuration names, and no other', async () => {
    const app = await calling(programs.certificates.app);
    const reporting = await calling(programs.certificates.reporting);
    expect((await app('/v1/approvals?psuId=alice')).json).toEqual({ approvals: [] });
    expect(await reporting('/v1/approvals?psuId=alice')).toMatchObject({
      status: 403,
      json: { code: 'ERR_BANK_CALLER_PART' },
    });
    const [event] = await sandbox.events({ event: 'bank.refused', code: 'ERR_BANK_CALLER_PART' });
    expect(event).toMatchObject({ caller: 'reporting', route: '/v1/approvals' });
  });

  it('is refused without a certificate, with one of another CA, and with that of a TPP', async () => {
    const { stranger, impostor } = programs.certificates;
    const refused = [
      [undefined, 'ERR_CERT_MISSING'],
      [stranger, 'ERR_BANK_CALLER_UNKNOWN'],
      [impostor, 'ERR_BANK_CALLER_UNKNOWN'],
      [tppNamed(sandbox.description, 'money-one'), 'ERR_BANK_CALLER_UNKNOWN'],
    ] as const;
    for (const [certificate, code] of refused) {
      const call = await calling(certificate);
      for (const path of ['/openapi.json', '/v1/approvals?psuId=alice', '/nowhere']) {
        const answer = await call(path);
        expect(answer).toMatchObject({ status: 401, json: { status: 401, code } });
        expect(answer.headers.get('content-type')).toContain('application/problem+json');
        expect(answer.json.requestId).toBe(answer.headers.get('x-request-id'));
        expect(answer.headers.get('cache-control')).toBe('no-store');
      }
    }
    const [event] = await sandbox.events({ event: 'bank.refused', code: 'ERR_CERT_MISSING' });
    expect(event).toMatchObject({ listener: 'bank', method: 'GET', status: 401 });
  });

  it('cannot lend its certificate to a request in a header', async () => {
    const call = await calling(undefined);
    const answer = await call('/openapi.json', { headers: { 'client-cert': ':MIIB:' } });
    expect(answer.json.code).toBe('ERR_PROXY_UNTRUSTED');
  });
});

describe('a request to the bank API', () => {
  it('follows the schemas: the answer names the member', async () => {
    const core = await calling(programs.certificates.core);
    const approve = '/v1/approvals/none/approve';
    const refused = [
      [await core('/v1/approvals'), 400, 'ERR_BANK_REQUEST', 'query.psuId'],
      [await core('/v1/approvals?psuId=a&psuId=b'), 400, 'ERR_BANK_REQUEST', 'query.psuId'],
      [await core('/v1/approvals?psuId=a&more=b'), 400, 'ERR_BANK_REQUEST', 'query'],
      [await core(approve, { body: {} }), 400, 'ERR_BANK_REQUEST', 'body.amr'],
      [await core(approve, { body: { amr: ['pwd'], more: 1 } }), 400, 'ERR_BANK_REQUEST', 'body'],
      [await core(approve, { text: '{"amr":' }), 400, 'ERR_BANK_REQUEST', 'body'],
      [await core(approve, { text: '"amr"' }), 400, 'ERR_BANK_REQUEST', 'body'],
      [
        await core(approve, {
          text: 'amr=pwd',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
        }),
        400,
        'ERR_BANK_REQUEST',
        'header.Content-Type',
      ],
      [await core(approve, { body: { amr: ['x'.repeat(300_000)] } }), 413, 'ERR_HTTP_TOO_LARGE', undefined],
      [await core('/v1/nowhere'), 404, 'ERR_HTTP_NOT_FOUND', undefined],
      [await core('/v1/approvals', { method: 'DELETE' }), 405, 'ERR_HTTP_METHOD', undefined],
    ] as const;
    for (const [answer, status, code, member] of refused) {
      expect(answer).toMatchObject({ status, json: { status, code } });
      expect(answer.json.member).toBe(member);
    }
  });

  it('finds no approval that does not wait', async () => {
    const core = await calling(programs.certificates.core);
    expect(await core('/v1/approvals/none')).toMatchObject({
      status: 404,
      json: { code: 'ERR_APPROVAL_OVER' },
    });
    expect((await core('/v1/approvals/none/reject', { body: {} })).json.code).toBe('ERR_APPROVAL_OVER');
    const body = { amr: ['pwd'], accountIds: [] };
    expect((await core('/v1/approvals/none/approve', { body })).json.code).toBe('ERR_APPROVAL_OVER');
  });

  it('finds the OpenAPI document that the repository has', async () => {
    const core = await calling(programs.certificates.core);
    const { json } = await core('/openapi.json');
    expect(json.openapi).toMatch(/^3\.1\./);
    const file = fileOf('docs/bank-api.openapi.json');
    const text = `${JSON.stringify(json, undefined, 2)}\n`;
    if (process.env.UPDATE_DOCS !== undefined) writeFileSync(file, text);
    expect(readFileSync(file, 'utf8'), 'UPDATE_DOCS=1 writes it').toBe(text);
  });
});
