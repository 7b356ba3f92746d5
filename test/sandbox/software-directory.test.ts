import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSandbox, type TestSandbox } from '../authorization-server/running-sandbox.ts';

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterAll(() => sandbox.stop());

const at = (path: string) => `${sandbox.description.registers?.softwareDirectoryUrl}${path}`;
const statement = (query: string) => sandbox.send(at(`/statements?${query}`), { method: 'POST' });

describe('the directory of software statements of the sandbox', () => {
  it.each(['uk-obie', 'open-finance-brasil', 'cdr'])('issues statements of %s', async (market) => {
    const { status, headers, text } = await statement(`tpp=money-one&market=${market}`);
    expect([status, headers.get('content-type')]).toEqual([200, expect.stringContaining('application/jwt')]);
    const { json } = await sandbox.send(at('/jwks'));
    const keys = createLocalJWKSet(json as unknown as JSONWebKeySet);
    const { payload } = await jwtVerify(text, keys, { maxTokenAge: 60 });
    expect(payload.software_id).toBe('money-one');
    const address = payload.software_jwks_endpoint ?? payload.software_jwks_uri ?? payload.jwks_uri;
    const set = await sandbox.send(String(address));
    const [key] = set.json.keys as readonly Record<string, unknown>[];
    expect([key?.use, key?.d]).toEqual(['sig', undefined]);
    const expired = await statement(`tpp=money-one&market=${market}&expired=true`);
    await expect(jwtVerify(expired.text, keys, { maxTokenAge: 3600 })).rejects.toMatchObject({
      code: 'ERR_JWT_EXPIRED',
    });
  });

  it.each([
    ['tpp=nobody&market=cdr', 'tpp must be one of'],
    ['tpp=money-one&market=xx', 'market must be one of uk-obie'],
    ['market=cdr', 'tpp must be one of'],
  ])('says what is wrong with %s', async (query, problem) => {
    const { status, text } = await statement(query);
    expect([status, text]).toEqual([400, expect.stringContaining(problem)]);
  });

  it('has no keys of a TPP that there is not', async () => {
    expect((await sandbox.send(at('/software/nobody/jwks'))).status).toBe(404);
  });
});
