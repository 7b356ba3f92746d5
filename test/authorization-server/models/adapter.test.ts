import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as models from 'oidc-provider/lib/models/index.js';
import type { Adapter } from 'oidc-provider';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createAdapterFactory,
  replayDetectionUnique,
} from '../../../src/authorization-server/models/adapter.ts';
import { RecordLimits } from '../../../src/authorization-server/models/record-limits.ts';
import { GrantRevocation } from '../../../src/authorization-server/models/grant-revocation.ts';
import { epochSeconds } from '../../../src/clock.ts';
import { isRefusal, OpenBankingError } from '../../../src/errors.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../../src/storage/store.ts';
import { TestClock } from '../../storage/store-contract.ts';
import { secondConnection } from '../../storage/sqlite/second-connection.ts';

/** What ends with a grant, and what is used once. */
const GRANTABLE = [
  'AccessToken',
  'AuthorizationCode',
  'RefreshToken',
  'DeviceCode',
  'BackchannelAuthenticationRequest',
  'PreAuthorizedCode',
];
const CONSUMABLE = [
  'AuthorizationCode',
  'RefreshToken',
  'DeviceCode',
  'BackchannelAuthenticationRequest',
  'PreAuthorizedCode',
  'PushedAuthorizationRequest',
];
const MODELS = [
  ...GRANTABLE,
  'ClientCredentials',
  'Client',
  'InitialAccessToken',
  'RegistrationAccessToken',
  'Interaction',
  'ReplayDetection',
  'Session',
  'Grant',
  'PushedAuthorizationRequest',
];
/** Not stored: ID tokens are handed out only; the rest are base classes. */
const NOT_STORED = ['IdToken', 'BaseModel', 'BaseToken'];

const limits = new RecordLimits({ pushedRequestsPerMinute: 600, recordsPerMinute: 600 });
const folder = mkdtempSync(join(tmpdir(), 'tallystick-adapter-'));
afterAll(() => rmSync(folder, { recursive: true }));
const secret = Buffer.alloc(32, 7);
let files = 0;
let file: string;
let clock: TestClock;
let store: Store;
let revoked: string[];
let adapters: Map<string, Adapter>;
const adapter = (model: string): Adapter => {
  const found = adapters.get(model);
  if (found === undefined) throw new Error(model);
  return found;
};
const thrown = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error as { readonly error?: string },
  );
const inSeconds = (seconds: number) => epochSeconds(clock.now()) + seconds;

beforeEach(async () => {
  files += 1;
  file = join(folder, `${files}.sqlite`);
  clock = new TestClock();
  store = await openSqliteStore({ file, clock, log: silentLog });
  revoked = [];
  const factory = createAdapterFactory({
    store,
    secret,
    clock,
    limits,
    grants: new GrantRevocation({
      store,
      clock,
      secret,
      tokenStatus: {
        revokeGrant: async (grantId) => void revoked.push(grantId),
        isReplayed: async () => false,
      },
    }),
  });
  adapters = new Map(MODELS.map((model) => [model, factory(model)]));
});
afterEach(() => store.close());

describe('the adapter', () => {
  it('knows every model of the library', () => {
    const all = Object.keys(models).map((name) => name.replace(/^get/, ''));
    expect(all.filter((name) => !NOT_STORED.includes(name)).toSorted()).toEqual(MODELS.toSorted());
  });

  describe.each(MODELS)('stores a %s', (model) => {
    it('and gives it back whole, with numbers as numbers, until it is over or destroyed', async () => {
      const payload = { jti: 'secret-id', kind: model, iat: inSeconds(0), exp: inSeconds(60), aud: 'a' };
      await adapter(model).upsert('secret-id', payload, 60);
      expect(await adapter(model).find('secret-id')).toEqual(payload);
      expect(await adapter(model).find('other-id')).toBeUndefined();
      await adapter(model).destroy('secret-id');
      expect(await adapter(model).find('secret-id')).toBeUndefined();
      await adapter(model).destroy('secret-id');
      await adapter(model).upsert('secret-id', payload, 60);
      clock.forward(60 + 36 * 60);
      expect(await adapter(model).find('secret-id')).toBeUndefined();
    });

    it('with nothing in the file that could be used or read (J10)', async () => {
      const payload = {
        jti: 'opaque-token-value',
        accountId: 'alice-of-the-bank',
        grantId: 'grant-of-alice',
      };
      await adapter(model).upsert('opaque-token-value', payload, 60);
      const bytes = Buffer.concat([readFileSync(file), readFileSync(`${file}-wal`)]);
      for (const text of Object.values(payload)) expect(bytes.includes(text), text).toBe(false);
    });
  });

  it.each(CONSUMABLE)('lets exactly one of 16 use a %s, and marks it', async (model) => {
    await adapter(model).upsert('id', { jti: 'id' }, 60);
    const errors = await Promise.all(Array.from({ length: 16 }, () => thrown(adapter(model).consume('id'))));
    const name = model === 'PushedAuthorizationRequest' ? 'invalid_request_uri' : 'invalid_grant';
    expect(errors.filter((error) => error === undefined)).toHaveLength(1);
    expect(errors.filter((error) => error?.error === name)).toHaveLength(15);
    const isGone = model === 'BackchannelAuthenticationRequest';
    const mark = isGone ? undefined : inSeconds(0);
    expect((await adapter(model).find('id'))?.consumed).toBe(mark);
    // A rewrite of what was read before must not make it new.
    await adapter(model).upsert('id', { jti: 'id' }, 60);
    expect(await thrown(adapter(model).consume('id'))).toBeDefined();
    expect((await adapter(model).find('id'))?.consumed).toBe(mark);
  });

  it.each(['AuthorizationCode', 'RefreshToken'])(
    'ends the grant of a %s that is used again by somebody who saw no use of it (J2, J5)',
    async (model) => {
      await adapter('Grant').upsert('grant', { jti: 'grant' }, 60);
      await adapter(model).upsert('id', { jti: 'id', grantId: 'grant' }, 60);
      await adapter('AccessToken').upsert('token', { jti: 'token', grantId: 'grant' }, 60);
      await adapter(model).consume('id');
      expect(await adapter('AccessToken').find('token')).toBeDefined();
      expect(revoked).toEqual([]);
      expect(await thrown(adapter(model).consume('id'))).toMatchObject({ error: 'invalid_grant' });
      expect(revoked).toContain('grant');
      expect(await adapter('Grant').find('grant')).toBeUndefined();
      expect(await adapter('AccessToken').find('token')).toBeUndefined();
      const late = adapter('RefreshToken').upsert('late', { jti: 'late', grantId: 'grant' }, 60);
      expect(await thrown(late)).toMatchObject({ error: 'invalid_grant' });
    },
  );

  it.each(CONSUMABLE)('never makes a %s by using it when there is none or it is over', async (model) => {
    expect(await thrown(adapter(model).consume('id'))).toBeDefined();
    expect(await adapter(model).find('id')).toBeUndefined();
    await adapter(model).upsert('id', { jti: 'id' }, 1);
    clock.forward(1 + 36 * 60);
    expect(await thrown(adapter(model).consume('id'))).toBeDefined();
    expect(await adapter(model).find('id')).toBeUndefined();
  });

  it.each(GRANTABLE)('ends every %s of a grant, also one that is written afterwards (J2)', async (model) => {
    const one = { jti: 'one', grantId: 'grant' };
    await adapter(model).upsert('one', one, 60);
    // CIBA: the grant is known only when the customer has approved.
    await adapter(model).upsert('late', { jti: 'late' }, 60);
    await adapter(model).upsert('late', { jti: 'late', grantId: 'grant' }, 60);
    await adapter(model).upsert('other', { jti: 'other', grantId: 'other grant' }, 60);
    await adapter(model).revokeByGrantId('grant');
    expect(await adapter(model).find('one')).toBeUndefined();
    expect(await adapter(model).find('late')).toBeUndefined();
    expect(await adapter(model).find('other')).toBeDefined();
    expect(await thrown(adapter(model).upsert('two', { jti: 'two', grantId: 'grant' }, 60))).toMatchObject({
      error: 'invalid_grant',
    });
    await thrown(adapter(model).upsert('one', one, 60));
    expect(await adapter(model).find('one')).toBeUndefined();
  });

  it('looks up nothing for what is no identifier, as codes, tokens and request_uris of strangers are', async () => {
    await store.close();
    const strange = ['/'.repeat(8190), 'a'.repeat(65), '', 'a b', 'a\u0000', 'é', 'a.b'];
    for (const model of ['AccessToken', 'AuthorizationCode', 'RefreshToken', 'PushedAuthorizationRequest']) {
      for (const id of strange) expect(await adapters.get(model)?.find(id)).toBeUndefined();
    }
  });

  it('says that a grant has ended before anything of it is removed: JWTs are not in the store', async () => {
    await adapter('AccessToken').revokeByGrantId('a');
    await adapter('Grant').destroy('b');
    expect(revoked).toEqual(['a', 'b']);
  });

  it('keeps the tokens of a grant until the grant is removed, so that a revocation can be repeated (RFC 7009 §2.2.1)', async () => {
    await adapter('Grant').upsert('g', { jti: 'g' }, 60);
    for (const model of ['AccessToken', 'RefreshToken']) {
      await adapter(model).upsert('t', { jti: 't', grantId: 'g' }, 60);
      // The provider destroys a token before it ends the grant.
      await adapter(model).destroy('t');
    }
    const { delete: remove } = store;
    store.delete = async () => {
      throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'delete' });
    };
    expect(isRefusal(await thrown(adapter('AccessToken').revokeByGrantId('g')))).toBe(true);
    expect(await adapter('AccessToken').find('t')).toBeDefined();
    expect(await adapter('RefreshToken').find('t')).toBeDefined();
    store.delete = remove;
    await adapter('AccessToken').revokeByGrantId('g');
    for (const [model, id] of [
      ['AccessToken', 't'],
      ['RefreshToken', 't'],
      ['Grant', 'g'],
    ] as const) {
      expect(await adapter(model).find(id), model).toBeUndefined();
    }
  });

  it('finds a session by uid and a device code by user code, and not by those of others', async () => {
    await adapter('Session').upsert('s', { jti: 's', uid: 'u' }, 60);
    await adapter('Session').upsert('s', { jti: 's', uid: 'new' }, 60);
    await adapter('DeviceCode').upsert('d', { jti: 'd', userCode: 'AB-12' }, 60);
    expect((await adapter('Session').findByUid('new'))?.jti).toBe('s');
    expect(await adapter('Session').findByUid('u')).toBeUndefined();
    expect((await adapter('DeviceCode').findByUserCode('AB-12'))?.jti).toBe('d');
    expect(await adapter('DeviceCode').findByUserCode('AB-13')).toBeUndefined();
  });

  it('keeps a pushed request as long as the flow that it began, to refuse its second end (I2)', async () => {
    await adapter('PushedAuthorizationRequest').upsert('p', { jti: 'p' }, 60);
    // A login and a consent that each take 15 minutes.
    clock.forward(60 + 2 * 15 * 60);
    expect(await adapter('PushedAuthorizationRequest').find('p')).toBeDefined();
    await adapter('PushedAuthorizationRequest').consume('p');
    expect(await thrown(adapter('PushedAuthorizationRequest').consume('p'))).toMatchObject({
      error: 'invalid_request_uri',
    });
  });

  it('keeps what has no end, and a record stays with its kind', async () => {
    await adapter('Client').upsert('c', { client_id: 'c' });
    clock.forward(10 * 365 * 86_400);
    expect(await adapter('Client').find('c')).toEqual({ client_id: 'c' });
    expect(await adapter('RegistrationAccessToken').find('c')).toBeUndefined();
  });

  it('takes a damaged or foreign record for a store in trouble, never for "not found" (M11)', async () => {
    await adapter('RefreshToken').upsert('r', { jti: 'r' }, 60);
    const database = secondConnection(file);
    database.exec(`UPDATE record SET value = '"' || 'AAAA' || substr(value, 6)`);
    database.close();
    expect(
      isRefusal(
        await thrown(adapter('RefreshToken').find('r') as Promise<unknown>),
        'ERR_STORAGE_UNAVAILABLE',
      ),
    ).toBe(true);
  });

  describe("a client's own token", () => {
    const payload = {
      kind: 'ClientCredentials',
      clientId: 'tpp',
      scope: 'accounts',
      aud: 'https://api.example',
      extra: { nca: 'GB-FCA' },
      'x5t#S256': 'thumbprint',
    };
    const change = (sql: string) => {
      const database = secondConnection(file);
      database.exec(sql);
      database.close();
    };
    const found = (id: string) => thrown(adapter('ClientCredentials').find(id) as Promise<unknown>);
    const put = (id: string, more: object = {}) =>
      adapter('ClientCredentials').upsert(id, { jti: id, ...payload, ...more }, 60);

    it('is stored without its value, and readable otherwise (J10)', async () => {
      await put('opaque-token-value');
      expect(await adapter('ClientCredentials').find('opaque-token-value')).toEqual({
        jti: 'opaque-token-value',
        ...payload,
      });
      const bytes = Buffer.concat([readFileSync(file), readFileSync(`${file}-wal`)]);
      expect(bytes.includes('opaque-token-value')).toBe(false);
      expect(bytes.includes('GB-FCA')).toBe(true);
    });

    it.each([
      ['with more scopes', `UPDATE record SET value = replace(value, 'accounts', 'payments')`],
      [
        'bound to another certificate',
        `UPDATE record SET value = replace(value, 'thumbprint', 'fingerprint')`,
      ],
      ['without its mark', `UPDATE record SET value = '"' || substr(value, 2, length(value) - 45) || '"'`],
    ])('is refused %s', async (_title, sql) => {
      await put('one');
      change(sql);
      expect(isRefusal(await found('one'), 'ERR_STORAGE_UNAVAILABLE')).toBe(true);
    });

    it('is refused in the place of another one', async () => {
      await put('one');
      await put('two', { scope: 'payments' });
      change(`UPDATE record SET value = (SELECT value FROM record WHERE value LIKE '%payments%')`);
      expect(isRefusal(await found('one'), 'ERR_STORAGE_UNAVAILABLE')).toBe(true);
      expect(await found('two')).toBeUndefined();
    });

    it('is sealed as soon as it says anything else, such as the details of a payment', async () => {
      await put('one', { rar: [{ type: 'payment', creditor: 'DE89370400440532013000' }] });
      const bytes = Buffer.concat([readFileSync(file), readFileSync(`${file}-wal`)]);
      expect(['DE89370400440532013000', 'GB-FCA'].map((text) => bytes.includes(text))).toEqual([
        false,
        false,
      ]);
      expect(await adapter('ClientCredentials').find('one')).toMatchObject({ jti: 'one', ...payload });
    });
  });

  it('tells exactly one of 64 that a jti is new, until it may be forgotten (J8, H14)', async () => {
    const unique = replayDetectionUnique({ store, secret, limits });
    const attempts = () => Promise.all(Array.from({ length: 64 }, () => unique('a', 'bc', inSeconds(60))));
    expect((await attempts()).filter(Boolean)).toHaveLength(1);
    expect(await unique('ab', 'c', inSeconds(60))).toBe(true);
    clock.forward(60);
    expect((await attempts()).filter(Boolean)).toHaveLength(1);
  });
});
