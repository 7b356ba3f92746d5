import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/configuration/config.ts';
import { type EventName, type Log, type RunningServer, startServer } from '../../../src/index.ts';
import { Tpp } from '../../durability/tpp.ts';
import { createTestBank, type TestBank } from '../../resource-server/test-bank.ts';

const CLIENT_LIMITS = { pushedRequestsPerMinute: 3, recordsPerMinute: 5 };

let bank: TestBank;
let server: RunningServer;
const events: EventName[] = [];
const log: Log = { emit: (name) => void events.push(name) };
const aspsp = {
  name: 'Test Bank',
  answerAuthentication: async () => ({ type: 'refused', reason: 'wrong-credentials' }) as const,
  listAccounts: async () => [],
};
beforeAll(async () => {
  bank = await createTestBank({ format: 'opaque' });
  const config = { ...bank.config, clientLimits: CLIENT_LIMITS };
  server = await startServer(parseConfig(config, { source: 'test', folder: bank.folder }), { aspsp, log });
}, 120_000);
afterAll(async () => {
  await server.close();
  await bank.remove();
});

function at(tpp: Tpp) {
  const [front = 0, mtls = 0] = [bank.description.issuer, bank.description.mtlsUrl].map((url) =>
    Number(new URL(url).port),
  );
  const to = { ports: { front, mtls, health: 0 } };
  return {
    push: () =>
      tpp.pushed(to).then(
        () => 201,
        (error: Error) => error.message,
      ),
    browse: (requestUri: string) =>
      tpp.browse(
        to,
        `/authorize?${new URLSearchParams({ client_id: tpp.clientId, request_uri: requestUri })}`,
      ),
    requestUri: async () => (await tpp.pushed(to)).requestUri,
    token: () => tpp.post(to, '/token', { grant_type: 'client_credentials', scope: 'accounts' }),
  };
}

describe('the records that one client may make in a minute', () => {
  it('end with 429 and Retry-After, for this client only', async () => {
    const [one, other] = ['money-one', 'money-two'].map((name) => new Tpp(bank, name));
    if (one === undefined || other === undefined) throw new Error('there are two TPPs');
    const pushed = [];
    for (let count = 0; count < 4; count += 1) pushed.push(await at(one).push());
    expect(pushed.slice(0, 3)).toEqual([201, 201, 201]);
    expect(pushed[3]).toMatch(/^PAR: 429 .*temporarily_unavailable.*RFC 6585/);

    const tokens = [];
    for (let count = 0; count < 6; count += 1) tokens.push(await at(one).token());
    expect(tokens.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429]);
    const seconds = Number(tokens[5]?.headers['retry-after']);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(60);
    expect(events.filter((name) => name === 'client.limited')).toHaveLength(2);

    expect(await at(other).push()).toBe(201);
    expect((await at(other).token()).status).toBe(200);
    one.close();
    other.close();
  });

  it('are counted apart for browsers, so that no stranger uses up the tokens of a client', async () => {
    const tpp = new Tpp(bank, 'accounts-app');
    const requestUri = await at(tpp).requestUri();
    const statuses = [];
    for (let count = 0; count < 8; count += 1) statuses.push((await at(tpp).browse(requestUri)).status);
    expect(statuses.at(0)).toBe(303);
    expect(statuses.at(-1)).toBe(429);
    expect((await at(tpp).token()).status).toBe(200);
    tpp.close();
  });
});
