import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/configuration/config.ts';
import { silentLog } from '../../../src/events.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { walkPages } from '../../../src/sandbox/demo/demo-browser.ts';
import { DEMO_REDIRECT_URI } from '../../../src/sandbox/folder.ts';
import { type RunningServer, startServer } from '../../../src/server/server.ts';
import { createCaller, createTestBank, type TestBank } from '../../resource-server/test-bank.ts';

const VERIFIER = 'v'.repeat(43);

describe('userinfo with opaque tokens (OpenID Connect Core §5.3)', () => {
  let bank: TestBank;
  let server: RunningServer;
  let caller: ReturnType<typeof createCaller>;
  beforeAll(async () => {
    bank = await createTestBank({ format: 'opaque' });
    const config = parseConfig(bank.config, { source: 'test', folder: bank.folder });
    server = await startServer(config, { aspsp: demoAspsp(), log: silentLog });
    caller = createCaller(bank.description);
  });
  afterAll(async () => {
    await caller.close();
    await server.close();
    await bank.remove();
  });

  const send = (path: string, init: { form?: Record<string, string>; headers?: Record<string, string> }) =>
    caller.send(`${bank.description.mtlsUrl}${path}`, {
      certificate: tppNamed(bank.description, 'money-one'),
      ...init,
    });

  async function tokenFor(scope: string): Promise<string> {
    const client_id = 'money-one-mtls';
    const { json: pushed } = await send('/par', {
      form: {
        client_id,
        response_type: 'code',
        redirect_uri: DEMO_REDIRECT_URI,
        scope,
        code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
        code_challenge_method: 'S256',
      },
    });
    const start = new URL('/authorize', bank.description.issuer);
    start.search = new URLSearchParams({ client_id, request_uri: String(pushed.request_uri) }).toString();
    const [customer] = bank.description.customers;
    if (customer === undefined) throw new Error('no customer');
    const callback = await walkPages(start, {
      caFile: bank.description.caFile,
      answer: { decision: 'allow', ...customer },
    });
    const { json } = await send('/token', {
      form: {
        client_id,
        grant_type: 'authorization_code',
        code: callback.searchParams.get('code') ?? '',
        redirect_uri: DEMO_REDIRECT_URI,
        code_verifier: VERIFIER,
      },
    });
    expect(json.scope).toBe(scope);
    return String(json.access_token);
  }

  it.each(['openid', 'openid accounts'])('answers for the scope %s', async (scope) => {
    const authorization = `Bearer ${await tokenFor(scope)}`;
    expect((await send('/userinfo', { headers: { authorization } })).json).toEqual({ sub: 'psu-6f1c2a' });
    const posted = await send('/userinfo', { headers: { authorization }, form: {} });
    expect(posted.json).toEqual({ sub: 'psu-6f1c2a' });
  });

  it('asks for openid, and for a token in the Authorization field', async () => {
    const token = await tokenFor('accounts');
    const outcome = async (path: string, headers: Record<string, string>) => {
      const { status, headers: fields, json } = await send(path, { headers });
      return [status, fields.get('www-authenticate')?.split(',')[0], json.error];
    };
    const authorization = `Bearer ${token}`;
    expect(await outcome('/userinfo', { authorization })).toEqual([
      403,
      'Bearer error="insufficient_scope"',
      'insufficient_scope',
    ]);
    expect(await outcome('/userinfo', {})).toEqual([401, 'Bearer', 'invalid_token']);
    expect(await outcome('/userinfo', { authorization: `Token ${token}` })).toEqual([
      400,
      'Bearer error="invalid_request"',
      'invalid_request',
    ]);
    const [status] = await outcome(`/userinfo?access_token=${token}`, {});
    expect(status).toBe(400);
  });
});
