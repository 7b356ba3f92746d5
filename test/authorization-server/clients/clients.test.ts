import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClientChange } from '../../../src/authorization-server/clients/client-source.ts';
import { Clients } from '../../../src/authorization-server/clients/clients.ts';
import type { RegisteredClient } from '../../../src/authorization-server/clients/registered-client.ts';
import { systemClock } from '../../../src/clock.ts';
import { OpenBankingError } from '../../../src/errors.ts';
import { PROFILES, profilesNamed } from '../../../src/authorization-server/profiles/profiles.ts';
import { silentLog } from '../../../src/events.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../../src/storage/store.ts';
import { type Bank, type BankProcess, openBank } from '../../durability/bank.ts';
import { Tpp } from '../../durability/tpp.ts';
import { secondConnection } from '../../storage/sqlite/second-connection.ts';

const POLL = { timeout: 10_000, interval: 100 };

/** Files that name these clients, and change when a test says so. */
function filesOf(...named: RegisteredClient[]) {
  let current = named;
  let take: (change: ClientChange) => void = () => undefined;
  const find = (clientId: string) => current.find((one) => one.client_id === clientId);
  return {
    find,
    has: (clientId: string) => find(clientId) !== undefined,
    listOfTpp: () => [],
    follow: (follower: typeof take) => {
      take = follower;
    },
    close: async () => undefined,
    change: (...next: RegisteredClient[]) => {
      const idsOf = (list: readonly RegisteredClient[]) => new Set(list.map((one) => one.client_id));
      const [last, now] = [idsOf(current), idsOf(next)];
      current = next;
      take({ added: [...now.difference(last)], removed: [...last.difference(now)] });
    },
  };
}

const client = (clientId: string, tpp = 'PSDGB-FCA-900003'): RegisteredClient => ({
  client_id: clientId,
  client_name: 'A client',
  authorization_number: tpp,
  token_endpoint_auth_method: 'tls_client_auth',
  redirect_uris: [],
  grant_types: ['client_credentials'],
  scope: 'accounts',
});

describe('a client in the store', () => {
  let bank: Bank;
  let store: Store;
  let clients: Clients;
  let one: BankProcess;
  let other: BankProcess;
  beforeAll(async () => {
    bank = await openBank();
    [one, other] = [await bank.start(), await bank.start()];
    // A third process, which serves nothing.
    store = await openSqliteStore({
      file: join(bank.folder, 'bank.sqlite'),
      clock: systemClock,
      log: silentLog,
    });
    const secret = Buffer.from(readFileSync(join(bank.folder, 'bank.secret'), 'utf8').trim(), 'base64url');
    clients = await Clients.open({
      files: filesOf(),
      store,
      secret,
      grantSeconds: 3600,
      profiles: PROFILES,
      clock: systemClock,
      log: silentLog,
    });
  });
  afterAll(async () => {
    await store.close();
    await bank.close();
  });

  /** The TPP under another client id. */
  const tppAs = (clientId: string) => Object.assign(new Tpp(bank), { clientId });
  const own = () => tppNamed(bank.description, 'money-one').organizationIdentifier;
  const tokenOf = async (tpp: Tpp, at: BankProcess) => (await tpp.clientCredentials(at)).json.access_token;

  it('gets tokens of every process over mTLS; its end reaches all of them and their tokens', async () => {
    const tpp = tppAs('stored-1');
    expect((await tpp.clientCredentials(one)).status).toBe(400);
    await clients.register(client('stored-1', own()));
    const tokens = [await tokenOf(tpp, one), await tokenOf(tpp, other)];
    const lives = async () => [...(await tpp.areLive(one, tokens)), ...(await tpp.areLive(other, tokens))];
    expect(await lives()).toEqual([true, true, true, true]);
    await clients.end('stored-1');
    for (const at of [one, other]) expect((await tpp.clientCredentials(at)).status).toBe(400);
    await expect.poll(lives, POLL).toEqual([false, false, false, false]);
    // The TPP's client of the file goes on.
    expect((await new Tpp(bank).clientCredentials(one)).status).toBe(200);
    await expect(clients.register(client('stored-1', own()))).rejects.toMatchObject({
      code: 'ERR_CLIENT_REGISTRATION',
    });
  }, 30_000);

  it('that changes is another for every process at once, and disabled its tokens are dead until it is enabled', async () => {
    const tpp = tppAs('stored-5');
    await clients.register(client('stored-5', own()));
    const tokens = [await tokenOf(tpp, one), await tokenOf(tpp, other)];
    const lives = async () => [...(await tpp.areLive(one, tokens)), ...(await tpp.areLive(other, tokens))];
    expect(await lives()).toEqual([true, true, true, true]);
    const found = await clients.findToChange('stored-5');
    if (found === undefined) throw new Error('it is not there');
    const changed = { client: { ...found.record.client, scope: 'payments' } };
    expect(await clients.change(found, changed)).toBe(true);
    expect(await clients.change(found, changed)).toBe(false);
    for (const at of [one, other]) {
      expect((await tpp.clientCredentials(at)).text).toContain('invalid_scope');
    }
    await clients.disable('stored-5');
    for (const at of [one, other]) expect((await tpp.clientCredentials(at)).status).toBe(400);
    await expect.poll(lives, POLL).toEqual([false, false, false, false]);
    await clients.enable('stored-5');
    await expect.poll(lives, POLL).toEqual([true, true, true, true]);
    await clients.end('stored-5');
    await expect.poll(lives, POLL).toEqual([false, false, false, false]);
    // No change of what was read before brings it back.
    expect(await clients.change(found, changed)).toBe(false);
    expect(await clients.findRecord('stored-5')).toBeUndefined();
  }, 30_000);

  it('belongs to its TPP alone, and its tokens are bound as those of any client (RFC 8705 §3)', async () => {
    await clients.register(client('stored-2', own()));
    const foreign = Object.assign(new Tpp(bank, 'money-two'), { clientId: 'stored-2' });
    const refused = await foreign.clientCredentials(one);
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('ERR_TPP_CLIENT_MISMATCH')]);
    const token = String(await tokenOf(tppAs('stored-2'), other));
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    expect(claims.cnf['x5t#S256']).toMatch(/^[\w-]{43}$/);
  });

  it('never stands for one that a file names: the file is what counts', async () => {
    const tpp = new Tpp(bank);
    // Past the refusal of a process that knows the file: this one has none.
    await clients.register({ ...client(tpp.clientId, 'PSDGB-FCA-666'), scope: 'payments' });
    for (const at of [one, other]) expect((await tpp.clientCredentials(at)).status).toBe(200);
    const token = await tokenOf(tpp, one);
    expect(await tpp.isLive(other, token)).toBe(true);
  });

  it('is refused when somebody else has written or changed its record', async () => {
    await clients.register(client('stored-3', own()));
    const database = secondConnection(join(bank.folder, 'bank.sqlite'));
    const changed = database
      .prepare(
        "UPDATE record SET value = replace(value, 'stored-3', 'stored-4') WHERE kind = 'RegisteredClient' AND id = 'stored-3'",
      )
      .run();
    database.close();
    expect(changed.changes).toBe(1);
    expect((await tppAs('stored-3').clientCredentials(one)).status).toBe(503);
  });

  it('that leaves the file of one process is refused by the lists of all, and comes back with the file', async () => {
    const tpp = new Tpp(bank, 'money-two');
    const stale = join(bank.folder, 'stale-clients.json');
    const file = readFileSync(bank.clientsFile, 'utf8');
    writeFileSync(stale, file);
    const behind = await bank.start({ clientsFile: stale });
    const token = await tokenOf(tpp, behind);
    expect(await tpp.isLive(behind, token)).toBe(true);
    const left = JSON.parse(file).clients.filter(
      (entry: { readonly client_id: string }) => entry.client_id !== tpp.clientId,
    );
    writeFileSync(bank.clientsFile, JSON.stringify({ clients: left }));
    await expect.poll(() => tpp.isLive(behind, token), POLL).toBe(false);
    expect((await tpp.clientCredentials(behind)).status).toBe(400);
    expect((await new Tpp(bank).clientCredentials(behind)).status).toBe(200);
    writeFileSync(bank.clientsFile, file);
    await expect.poll(async () => (await tpp.clientCredentials(one)).status, POLL).toBe(200);
    await expect.poll(() => tpp.isLive(behind, token), POLL).toBe(true);
    expect((await tpp.clientCredentials(behind)).status).toBe(200);
  }, 60_000);
});

describe('the clients of files and store', () => {
  let bank: { readonly store: Store; readonly close: () => Promise<void> };
  let isAway = false;
  let events: string[] = [];
  beforeEach(async () => {
    isAway = false;
    events = [];
    const folder = mkdtempSync(join(tmpdir(), 'tallystick-registry-'));
    const file = join(folder, 'store.sqlite');
    const opened = await openSqliteStore({ file, clock: systemClock, log: silentLog });
    const guarded = <T>(work: () => Promise<T>): Promise<T> =>
      isAway
        ? Promise.reject(new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'test' }))
        : work();
    bank = {
      close: async () => {
        await opened.close();
        rmSync(folder, { recursive: true });
      },
      store: {
        ...opened,
        put: (...args) => guarded(() => opened.put(...args)),
        listByIndex: (...args) => guarded(() => opened.listByIndex(...args)),
      },
    };
  });
  afterEach(() => bank.close());

  const open = (files: ReturnType<typeof filesOf>, profiles = PROFILES) =>
    Clients.open({
      files,
      store: bank.store,
      secret: Buffer.alloc(32, 1),
      grantSeconds: 3600,
      profiles,
      clock: systemClock,
      log: { emit: (event) => void events.push(event) },
    });
  const isFound = async (clients: Clients, clientId: string) =>
    (await clients.finderOf([clientId]))(clientId) !== undefined;

  it('are held against the rules of their profile, also later (downgrade by registration)', async () => {
    const clients = await open(filesOf());
    const hybrid = { ...client('hybrid'), response_types: ['code id_token'] as const };
    await expect(clients.register(hybrid)).rejects.toMatchObject({ code: 'ERR_CLIENT_REGISTRATION' });
    await expect(clients.register({ ...client('x'), profile: 'none' })).rejects.toMatchObject({
      code: 'ERR_CLIENT_REGISTRATION',
    });
    await clients.register({ ...hybrid, profile: 'fapi1-advanced' });
    expect((await clients.find('hybrid'))?.profile).toBe('fapi1-advanced');
    // Another process, whose configuration no longer allows the profile.
    const stricter = await open(filesOf(), profilesNamed(['fapi2-security']));
    expect(await stricter.find('hybrid')).toBeUndefined();
    expect(await isFound(stricter, 'hybrid')).toBe(false);
  });

  it('are found by id, of the file first', async () => {
    const clients = await open(filesOf(client('filed')));
    await clients.register(client('stored'));
    expect((await clients.find('filed'))?.client_id).toBe('filed');
    expect((await clients.find('stored'))?.client_id).toBe('stored');
    expect(await clients.find('nobody')).toBeUndefined();
    for (const clientId of ['filed', 'stored']) {
      await expect(clients.register(client(clientId))).rejects.toMatchObject({
        code: 'ERR_CLIENT_REGISTRATION',
      });
    }
    await expect(clients.end('filed')).rejects.toMatchObject({ code: 'ERR_CLIENT_REGISTRATION' });
    for (const bad of [{ client_name: 'x'.repeat(257) }, { nca: 'XX-NONE' }, { grant_types: [] }]) {
      await expect(clients.register({ ...client('bad'), ...bad })).rejects.toMatchObject({
        code: 'ERR_CLIENT_REGISTRATION',
        details: { problem: expect.stringContaining(Object.keys(bad)[0] ?? '') },
      });
    }
    const plain = { ...client('plain'), redirect_uris: ['http://tpp.example/callback'] };
    await expect(clients.register(plain)).rejects.toMatchObject({
      code: 'ERR_CLIENT_REGISTRATION',
      details: { problem: expect.stringContaining('https') },
    });
  });

  it('end also when the store is away as the file changes: one event, and shared by the next list', async () => {
    const files = filesOf(client('a'), client('b'));
    const [here, there] = [await open(files), await open(filesOf(client('a'), client('b')))];
    isAway = true;
    files.change(client('a'));
    await expect.poll(() => events).toEqual(['clients.unshared']);
    isAway = false;
    await expect.poll(() => isFound(here, 'b'), POLL).toBe(false);
    expect(there.findNamed('b')?.client_id).toBe('b');
    await expect.poll(() => isFound(there, 'b'), POLL).toBe(false);
    expect([there.findNamed('a')?.client_id, there.findNamed('b')]).toEqual(['a', undefined]);
  });

  it('may leave the file by the hundred, and come back before the store is asked', async () => {
    const all = Array.from({ length: 300 }, (_, at) => client(`c${at}`));
    const files = filesOf(...all);
    const clients = await open(files);
    files.change();
    await expect
      .poll(async () => (await bank.store.listByIndex('EndedClient', 'all', 'yes')).length, POLL)
      .toBe(300);
    files.change(...all);
    expect(clients.findNamed('c7')?.client_id).toBe('c7');
    await expect
      .poll(async () => (await bank.store.listByIndex('EndedClient', 'all', 'yes')).length, POLL)
      .toBe(0);
    expect(await isFound(clients, 'c299')).toBe(true);
  }, 30_000);

  it('whose ends broke off are ended at the next start, however many they are', async () => {
    const first = await open(filesOf());
    first.endWith(() => Promise.reject(new Error('it breaks off')));
    const ids = Array.from({ length: 101 }, (_, at) => `c${at}`);
    for (const id of ids) {
      await first.register(client(id));
      await expect(first.end(id)).rejects.toThrow('it breaks off');
      expect(await first.find(id)).toBeUndefined();
    }
    const second = await open(filesOf());
    const ended: string[] = [];
    second.endWith(async (id) => void ended.push(id));
    await second.resumeEnds();
    expect(new Set(ended)).toEqual(new Set(ids));
    expect((await second.page('all', { limit: 1 })).clients).toEqual([]);
  });

  it('of a file that is read at the start are alive, whatever ended before', async () => {
    const first = await open(filesOf());
    await first.register(client('a'));
    await first.end('a');
    expect(await isFound(first, 'a')).toBe(false);
    const second = await open(filesOf(client('a')));
    expect(await isFound(second, 'a')).toBe(true);
  });
});
