import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

const LIMITS = { perTpp: 12, perAddress: 20, refusedPerAddress: 8 };
let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox({
    amendConfiguration: (value) => ({
      ...value,
      requestLimits: LIMITS,
      connections: { exemptAddresses: [] },
    }),
  });
});
afterAll(() => sandbox.stop());

const statusesOf = async (count: number, send: () => Promise<{ readonly status: number }>) => {
  const statuses: number[] = [];
  for (let at = 0; at < count; at += 1) statuses.push((await send()).status);
  return statuses;
};
const tokenOf = (name: string) => {
  const tpp = tppNamed(sandbox.description, name);
  const form = {
    grant_type: 'client_credentials',
    client_id: tpp.clients.tls_client_auth.client_id,
    scope: 'accounts',
  };
  return () =>
    sandbox.send(`${sandbox.description.mtlsUrl}/token`, {
      certificate: tpp,
      method: 'POST',
      body: new URLSearchParams(form),
    });
};

describe('requests in a minute', () => {
  it('of one TPP are limited, and those of another are served (N9)', async () => {
    const statuses = await statusesOf(LIMITS.perTpp + 2, tokenOf('money-one'));
    expect(statuses.filter((status) => status === 200)).toHaveLength(LIMITS.perTpp);
    const refused = await tokenOf('money-one')();
    expect(refused.status).toBe(429);
    expect(refused.json).toMatchObject({
      error_description: expect.stringMatching(/^ERR_TPP_LIMIT.*at most 12/),
    });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await tokenOf('money-two')()).status).toBe(200);
    const [event] = await sandbox.events({ event: 'client.limited' });
    expect(event).toMatchObject({ code: 'ERR_TPP_LIMIT' });
  });

  it('of an address whose certificates are refused are limited, also with a good one (N9)', async () => {
    const stranger = () => sandbox.send(`${sandbox.description.mtlsUrl}/token`, { method: 'POST' });
    const statuses = await statusesOf(LIMITS.refusedPerAddress + 1, stranger);
    expect(statuses.slice(0, -1)).not.toContain(429);
    expect(statuses.at(-1)).toBe(429);
    const refused = await tokenOf('money-two')();
    expect(refused.json).toMatchObject({
      error_description: expect.stringMatching(/^ERR_ADDRESS_LIMIT.*at most 8/),
    });
  });

  it('of an address on the front channel are limited (N9)', async () => {
    const metadata = () => sandbox.send(`${sandbox.description.issuer}/.well-known/openid-configuration`);
    const statuses = await statusesOf(LIMITS.perAddress + 1, metadata);
    expect(statuses[0]).toBe(200);
    expect(statuses.at(-1)).toBe(429);
  });
});
