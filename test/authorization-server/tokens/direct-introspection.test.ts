import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/configuration/config.ts';
import { silentLog } from '../../../src/events.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { type RunningServer, startServer } from '../../../src/server/server.ts';
import { createCaller, createTestBank, type TestBank } from '../../resource-server/test-bank.ts';

const SIGNED = 'application/token-introspection+jwt';
const OWN = ['date', 'x-request-id', 'content-length'];

describe('the short way of an introspection by a TPP', () => {
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

  const post = (path: string, name: string, form: Record<string, string>, headers = {}) =>
    caller.send(`${bank.description.mtlsUrl}${path}`, {
      certificate: tppNamed(bank.description, name),
      form,
      headers,
    });
  const outcomeOf = async (name: string, form: Record<string, string>, headers = {}) => {
    const { status, json, headers: answered } = await post('/introspect', name, form, headers);
    return { status, json, headers: [...answered].filter(([field]) => !OWN.includes(field)) };
  };

  it.each([
    ['a live token', 'money-one', 'money-one-mtls', 'live', { active: true, client_id: 'money-one-mtls' }],
    ['a token that was revoked', 'money-one', 'money-one-mtls', 'revoked', { active: false }],
    ["another TPP's token", 'money-two', 'money-two-mtls', 'live', { active: false }],
    ['an unknown token', 'money-one', 'money-one-mtls', 'unknown', { active: false }],
    ['what is no token', 'money-one', 'money-one-mtls', '///', { active: false }],
    ['no token', 'money-one', 'money-one-mtls', '', { error: 'invalid_request' }],
    ["a request as another TPP's client", 'money-two', 'money-one-mtls', 'live', { error: 'invalid_client' }],
    ['a request as nobody', 'money-one', 'nobody', 'live', { error: 'invalid_client' }],
  ])('and the long way are the same: %s', async (_title, name, clientId, which, answer) => {
    const token = ['live', 'revoked'].includes(which) ? await caller.clientToken('money-one') : which;
    if (which === 'revoked') await post('/revoke', 'money-one', { client_id: 'money-one-mtls', token });
    const form = { client_id: clientId, token };
    const short = await outcomeOf(name, form);
    expect(short.json).toMatchObject(answer);
    // A third parameter goes to the provider.
    expect(await outcomeOf(name, { ...form, token_type_hint: 'access_token' })).toEqual(short);
  });

  it('is not for a client that asks for a signed answer (RFC 9701 §5)', async () => {
    const token = await caller.clientToken('money-one');
    const form = { client_id: 'money-one-mtls', token };
    const { headers } = await post('/introspect', 'money-one', form, { accept: SIGNED });
    expect(headers.get('content-type')).toContain(SIGNED);
  });
});
