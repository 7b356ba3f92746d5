import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Config } from '../../src/configuration/config.ts';
import { silentLog } from '../../src/events.ts';
import { OperatorSessions } from '../../src/management/operators/operator-sessions.ts';
import type { Role } from '../../src/management/operators/operator.ts';
import { openLogin } from '../../src/server/management/opened-login.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../src/storage/store.ts';
import { TestClock } from '../storage/store-contract.ts';
import { atProvider, type OperatorsProvider, startProvider } from './openid-provider.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-operators-'));
const secret = randomBytes(32);
const clock = new TestClock();
let store: Store;
beforeAll(async () => {
  store = await openSqliteStore({ file: join(folder, 'sessions.sqlite'), clock, log: silentLog });
});
afterAll(async () => {
  await store?.close();
  rmSync(folder, { recursive: true });
});

const MINUTE = 60;
const OPERATOR = { name: 'ana', roles: ['support'], by: 'openid' } as const;
const sessions = () => new OperatorSessions({ store, clock, secret });

describe('a session of an operator', () => {
  it('ends after 15 minutes without a request, and not before', async () => {
    const { id } = await sessions().open(OPERATOR, 'management');
    clock.forward(15 * MINUTE - 1);
    expect(await sessions().find(id, 'management')).toMatchObject({ operator: OPERATOR });
    clock.forward(15 * MINUTE - 1);
    expect(await sessions().find(id, 'management')).toBeDefined();
    clock.forward(15 * MINUTE);
    expect(await sessions().find(id, 'management')).toBeUndefined();
  });

  it('ends after eight hours, however often it is used', async () => {
    const { id } = await sessions().open(OPERATOR, 'management');
    for (let minutes = 10; minutes < 8 * 60; minutes += 10) {
      clock.forward(10 * MINUTE);
      expect(await sessions().find(id, 'management')).toBeDefined();
    }
    clock.forward(10 * MINUTE);
    expect(await sessions().find(id, 'management')).toBeUndefined();
  });

  it('ends in every process when its operator leaves, and stays ended', async () => {
    const [one, other] = [sessions(), sessions()];
    const { id } = await one.open(OPERATOR, 'management');
    expect(await other.find(id, 'management')).toBeDefined();
    clock.forward(2 * MINUTE);
    // A request that is under way while the session ends does not bring it back.
    await Promise.all([other.find(id, 'management'), one.end(id)]);
    expect(await other.find(id, 'management')).toBeUndefined();
  });

  it('counts on the listener that opened it, and takes the forms of itself alone', async () => {
    const one = await sessions().open(OPERATOR, 'management');
    const other = await sessions().open(OPERATOR, 'management');
    expect(await sessions().find(one.id, 'loopback')).toBeUndefined();
    expect(await sessions().find('not a session', 'management')).toBeUndefined();
    expect(sessions().isOwnForm(one, one.csrfToken)).toBe(true);
    for (const token of [other.csrfToken, one.id, '', undefined, `${one.csrfToken}x`]) {
      expect(sessions().isOwnForm(one, token)).toBe(false);
    }
  });
});

describe('a login by private_key_jwt', () => {
  const KEY_FILE = join(folder, 'console-key.json');
  const redirectUri = 'https://management.bank.example/console/callback';
  let provider: OperatorsProvider;
  let agent: Agent;
  let key: JWK;
  beforeAll(async () => {
    const pair = await generateKeyPair('ES256', { extractable: true });
    key = { ...(await exportJWK(pair.privateKey)), kid: 'console-1', alg: 'ES256' };
    const published = { ...(await exportJWK(pair.publicKey)), kid: 'console-1', alg: 'ES256' };
    provider = await startProvider({ id: 'console', keys: [published], redirectUri });
    agent = new Agent({ connect: { ca: provider.caPem } });
    writeFileSync(join(folder, 'ca.pem'), provider.caPem);
  });
  afterAll(async () => {
    await agent?.close();
    await provider?.close();
  });

  const open = (roles: Readonly<Record<string, Role>>, privateKey: object = key) => {
    writeFileSync(KEY_FILE, JSON.stringify(privateKey), { mode: 0o600 });
    const openid = {
      issuer: provider.issuer,
      clientId: 'console',
      privateKeyFile: KEY_FILE,
      scope: 'openid',
      nameClaim: 'sub',
      rolesClaim: 'groups',
      roles,
      caFile: join(folder, 'ca.pem'),
      allowPrivateAddress: true,
    };
    const management = { url: 'https://management.bank.example', openid } as unknown as Config['management'];
    return openLogin({ management, outbound: {} } as Pick<Config, 'management' | 'outbound'>, {
      store,
      secret,
      clock: systemClock,
    });
  };

  async function operatorOf(roles: Readonly<Record<string, Role>>, privateKey?: object) {
    const opened = await open(roles, privateKey);
    try {
      provider.account = 'night1';
      const begun = await opened?.login.begin('/console');
      const back = await atProvider(provider, agent, begun?.url ?? '');
      return (await opened?.login.finish(back.search, begun?.browser ?? ''))?.operator;
    } finally {
      await opened?.close();
    }
  }

  it('proves the key of the file, and gives the role that the claim has at this login', async () => {
    expect(await operatorOf({ night: 'operator' })).toEqual({
      name: 'night1',
      roles: ['operator'],
      by: 'openid',
    });
    const { id } = await sessions().open(OPERATOR, 'management');
    expect(await operatorOf({ night: 'viewer', staff: 'security' })).toMatchObject({
      roles: ['viewer', 'security'],
    });
    // A session keeps the roles of its login.
    expect((await sessions().find(id, 'management'))?.operator.roles).toEqual(['support']);
    await expect(operatorOf({ day: 'operator' })).rejects.toMatchObject({ code: 'ERR_MANAGEMENT_LOGIN' });
  });

  it('is refused with a key that the provider does not know, and with a file that holds none', async () => {
    const foreign = await generateKeyPair('ES256', { extractable: true });
    const unknown = { ...(await exportJWK(foreign.privateKey)), kid: 'console-1', alg: 'ES256' };
    await expect(operatorOf({ night: 'operator' }, unknown)).rejects.toMatchObject({
      code: 'ERR_MANAGEMENT_LOGIN',
    });
    const { kid: _kid, ...unnamed } = key;
    const { d: _d, ...open } = key;
    for (const bad of [unnamed, open, {}]) {
      await expect(operatorOf({ night: 'operator' }, bad)).rejects.toMatchObject({
        code: 'ERR_CONFIG_INVALID',
      });
    }
  });
});
