import { afterAll, describe, expect, it } from 'vitest';
import { hasRedis, type RedisProcess, startRedis } from '../../storage/redis/redis-servers.ts';
import { consentsOf } from '../commands/bank-questions.ts';
import { codeOf, Tpp } from '../tpp.ts';
import { openRegisteringBank, REDIRECT } from './registering-bank.ts';
import {
  expectRegistrations,
  findKillPoints,
  killAt,
  type KillPoint,
  openRegistrationTheatre,
  type RegistrationTheatre,
} from './registration-kills.ts';

/** After each of these the next part of the work is missing. The long form dies at every operation. */
const TELLING: readonly string[] = [
  'register after putIfAbsent UsedStatement',
  'register after putIfAbsent RegisteredClient',
  'change before replace RegisteredClient',
  'approve after replace RegisteredClient',
  'delete after replace RegisteredClient',
  'delete before delete RegisteredClient',
];
/** The server of a bank with a Redis dies at these. */
const TELLING_OF_REDIS: readonly string[] = [
  'register after putIfAbsent RegisteredClient',
  'delete after replace RegisteredClient',
];
const OPTIONS = Object.freeze({ approval: 'manual', accessTokenRotation: true });

let redis: RedisProcess | undefined;
afterAll(() => redis?.kill());

describe('a server that is killed while clients register, change and end', () => {
  it('loses no answer, leaves nothing half, takes a statement once, and ends at its start what was to end (R8)', async () => {
    const bank = await openRegisteringBank(undefined, OPTIONS);
    await dieAt(await openRegistrationTheatre(bank), TELLING);
    await bank.close();
  }, 120_000);

  it.skipIf(!hasRedis)(
    'and so on Redis, with its append-only file (R8)',
    async () => {
      redis = await startRedis({ lines: ['appendfsync always'] });
      const storage = { redis: { url: `redis://127.0.0.1:${redis.port}` } };
      const bank = await openRegisteringBank(storage, OPTIONS);
      await dieAt(await openRegistrationTheatre(bank), TELLING_OF_REDIS);
      await bank.close();
    },
    120_000,
  );
});

describe('two processes', () => {
  it('take a client that registered at the other one at once, and its change, and its end', async () => {
    const bank = await openRegisteringBank();
    const tpp = new Tpp(bank);
    const [one, two] = [await bank.start(bank.registration), await bank.start(bank.registration)];
    const { status, json } = await tpp.register(one, await bank.request());
    const client = { clientId: String(json.client_id), token: String(json.registration_access_token) };
    expect(status).toBe(201);
    const own = Object.assign(new Tpp(bank), { clientId: client.clientId, redirectUri: REDIRECT });
    // No request waits for another process, so that neither has a time to find out.
    const { requestUri, verifier } = await own.pushed(two);
    const code = codeOf(await (await own.walk(one, requestUri)).end()) ?? '';
    const granted = await own.exchange(two, { code, verifier });
    expect(granted.status).toBe(200);
    const tokens = [granted.json.access_token, (await own.clientCredentials(one)).json.access_token];
    const lives = async () => [...(await own.areLive(one, tokens)), ...(await own.areLive(two, tokens))];
    expect(await lives()).toEqual([true, true, true, true]);

    const body = await bank.request({ redirect_uris: [`${REDIRECT}/2`], scope: 'openid payments' });
    expect((await tpp.manage(two, client, { method: 'PUT', body })).status).toBe(200);
    for (const at of [one, two]) {
      expect((await own.clientCredentials(at)).json.error).toBe('invalid_scope');
      const { json: read } = await tpp.manage(at, client, { method: 'GET' });
      expect([read.redirect_uris, read.scope]).toEqual([[`${REDIRECT}/2`], 'openid payments']);
    }

    expect((await tpp.manage(one, client, { method: 'DELETE' })).status).toBe(204);
    for (const at of [two, one]) {
      expect((await own.clientCredentials(at)).json.error).toBe('invalid_client');
      expect((await own.refresh(at, granted.json.refresh_token)).json.error).toBe('invalid_client');
      expect((await tpp.manage(at, client, { method: 'GET' })).status).toBe(401);
      expect((await consentsOf(at, client.clientId)).map((consent) => consent.status)).toEqual(['revoked']);
    }
    // A list is judged again after half a second.
    await expect.poll(lives, { interval: 50 }).toEqual([false, false, false, false]);
    for (const each of [tpp, own]) each.close();
    await bank.close();
  }, 60_000);
});

async function dieAt(theatre: RegistrationTheatre, names: readonly string[]): Promise<void> {
  const points = chosen(await findKillPoints(theatre), names);
  expect(points).toHaveLength(names.length);
  for (const point of points) await killAt(theatre, point);
  await expectRegistrations(theatre, 10);
  expect(theatre.missed).toBe(0);
  // Each kill of a delete came after its first step.
  expect(theatre.ends.delete.undone).toBe(0);
  theatre.tpp.close();
}

/** The first point of each name. */
function chosen(points: readonly KillPoint[], names: readonly string[]): readonly KillPoint[] {
  return names.flatMap(
    (name) => points.find(({ action, when, operation }) => name === `${action} ${when} ${operation}`) ?? [],
  );
}
