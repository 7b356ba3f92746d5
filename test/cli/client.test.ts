import { execFile } from 'node:child_process';
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditSearch } from '../../src/audit/reading/audit-search.ts';
import { FolderSource } from '../../src/audit/reading/folder-source.ts';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { GOOD, RegisteringTpp } from '../authorization-server/registration/registering.ts';
import { startTestSandbox, type TestSandbox } from '../authorization-server/running-sandbox.ts';
import { hasRedis, startRedis } from '../storage/redis/redis-servers.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

interface Storage {
  readonly storage: Readonly<Record<string, unknown>>;
  close(): Promise<void>;
}
const onRedis = async (): Promise<Storage> => {
  const redis = await startRedis();
  return {
    storage: { redis: { url: `redis://127.0.0.1:${redis.port}` }, file: undefined },
    close: () => redis.kill(),
  };
};
const STORAGES: readonly (readonly [string, () => Promise<Storage>])[] = [
  ['SQLite', async () => ({ storage: {}, close: async () => {} })],
  ...(hasRedis ? [['Redis', onRedis] as const] : []),
];

describe.each(STORAGES)('tallystick client, on %s, while the server runs', (name, open) => {
  let sandbox: TestSandbox;
  let folder = '';
  let configFile = '';
  let opened: Storage;
  let tpp: RegisteringTpp;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tallystick-client-'));
    opened = await open();
    let configuration: unknown;
    sandbox = await startTestSandbox({
      amendConfiguration: (value) => {
        configuration = {
          ...value,
          storage: { ...Object(value.storage), ...opened.storage },
          registration: { profiles: [{ profile: 'certificate' }], approval: 'manual' },
          audit: { folder: join(folder, 'audit'), signingKeyFile: join(folder, 'audit.key') },
        };
        return configuration;
      },
    });
    configFile = join(sandbox.folder, 'tallystick.json');
    await writeFile(configFile, JSON.stringify(configuration));
    tpp = new RegisteringTpp(sandbox);
  });
  afterAll(async () => {
    await sandbox.stop();
    await opened.close();
    await rm(folder, { recursive: true });
  });

  const client = (...args: readonly string[]) =>
    new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
      const all = [MAIN, 'client', ...args, '--config', configFile];
      execFile(process.execPath, all, (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  const json = async (...args: readonly string[]) => JSON.parse((await client(...args, '--json')).stdout);
  const code = async (id: string) => (await tpp.token(id)).status;

  it('approves, disables, enables and deletes a client of a registration', async () => {
    const registered = await tpp.register();
    const id = String(registered.json.client_id);
    expect(await code(id)).toBe(400);
    const waiting = await json('list', '--status', 'awaiting-approval');
    expect(waiting.clients).toEqual([
      expect.objectContaining({ client_id: id, status: 'awaiting-approval', origin: 'registration' }),
    ]);
    expect(await json('approve', id)).toEqual({ client_id: id, status: 'active' });
    await expect.poll(() => code(id), { timeout: 5000 }).toBe(200);
    const shown = await client('show', id, '--json');
    expect(JSON.parse(shown.stdout)).toMatchObject({
      client_id: id,
      status: 'active',
      registration: { profile: 'certificate' },
    });
    expect(shown.stdout).not.toContain('Hash');
    const { stderr } = await client('disable', id);
    expect(JSON.parse(stderr)).toMatchObject({
      event: 'client.status',
      clientId: id,
      outcome: 'disabled',
      caller: expect.stringMatching(/^.+@.+$/),
    });
    await expect.poll(() => code(id), { timeout: 5000 }).toBe(400);
    expect((await client('approve', id)).stderr).toContain('the client is disabled');
    await client('enable', id);
    await expect.poll(() => code(id), { timeout: 5000 }).toBe(200);
    const { consentId } = await sandbox.server.consents.create({
      reference: 'openbanking_intent_id',
      clientId: id,
      authorizationNumber: tppNamed(sandbox.description, 'money-one').organizationIdentifier,
      details: [{ type: 'account_information', actions: ['read_balances'] }],
      expiresAt: new Date(Date.now() + 600_000),
      by: { kind: 'tpp' },
    });
    expect((await client('delete', id)).stdout).toContain(`${id}: deleted`);
    await expect.poll(() => code(id), { timeout: 5000 }).toBe(400);
    expect((await sandbox.server.consents.find(consentId))?.status).toBe('revoked');
    const again = await client('delete', id);
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('no such client')]);
    expect((await tpp.manage('GET', registered)).status).toBe(401);
  }, 120_000);

  it.skipIf(name !== 'SQLite')(
    'exports the active clients, and imports every line or none, with the line of each problem',
    async () => {
      const file = join(folder, 'clients.jsonl');
      const entry = (id: string, more: object = {}) => ({
        ...GOOD,
        client_id: id,
        client_name: 'Money One',
        authorization_number: tppNamed(sandbox.description, 'money-one').organizationIdentifier,
        nca: 'GB-FCA',
        ...more,
      });
      const named = tppNamed(sandbox.description, 'money-one').clients.tls_client_auth.client_id;
      const lines = [
        JSON.stringify(entry('imported-1')),
        '{',
        JSON.stringify(entry('imported-2', { redirect_uris: ['http://tpp.example/callback'] })),
        JSON.stringify(entry('imported-1')),
        JSON.stringify(entry('imported-3', { scope: 'everything' })),
        JSON.stringify(entry(named)),
      ];
      await writeFile(file, lines.join('\n'));
      const refused = await client('import', file);
      expect(refused.status).toBe(2);
      const places = [...refused.stderr.matchAll(/^ {2}(line \d+|\(whole file\))/gm)].map(([, one]) => one);
      expect([...new Set(places)]).toEqual([
        'line 2',
        'line 3',
        'line 4',
        'line 5',
        'line 6',
        '(whole file)',
      ]);
      expect((await client('show', 'imported-1')).status).toBe(1);

      await writeFile(
        file,
        [entry('imported-1'), entry('imported-2')].map((one) => JSON.stringify(one)).join('\n'),
      );
      expect(await json('import', file)).toEqual({ added: 2, known: 0 });
      expect(await code('imported-1')).toBe(200);
      await client('disable', 'imported-2');
      const exported = await client('export');
      expect(exported.stderr).toContain('1 clients are not active');
      expect(
        exported.stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line)),
      ).toEqual([entry('imported-1')]);
      await writeFile(file, exported.stdout);
      expect(await json('import', file)).toEqual({ added: 0, known: 1 });
      await writeFile(file, JSON.stringify(entry('imported-1', { scope: 'openid payments' })));
      expect((await client('import', file)).stderr).toContain('line 1: the store has another client');
      const page = await json('list', '--limit', '1');
      const rest = await json('list', '--after', page.next);
      expect(
        [page, rest].flatMap(({ clients }) => clients.map((one: { client_id: string }) => one.client_id)),
      ).toEqual(['imported-1', 'imported-2']);
    },
    120_000,
  );

  it('writes each change into the audit record, in a chain of its own that has an end', async () => {
    const id = String((await tpp.register()).json.client_id);
    expect((await client('approve', id)).status).toBe(0);
    const source = new FolderSource(join(folder, 'audit'));
    const query = { event: 'client.status', from: new Date(0), to: new Date(Date.now() + 60_000) };
    const { entries } = await new AuditSearch(source).find({ ...query, limit: 100 });
    const [entry] = entries.filter(({ members }) => members.clientId === id);
    expect(entry?.members).toMatchObject({ outcome: 'active', caller: expect.stringMatching(/^.+@.+$/) });
    const verified = await promisify(execFile)(process.execPath, [
      ...[MAIN, 'audit', 'verify', '--config', configFile, '--json'],
    ]);
    expect(JSON.parse(verified.stdout).faults).toEqual([]);
  }, 60_000);

  // Only root can make a file of another user.
  it.skipIf(name !== 'SQLite' || process.getuid?.() !== 0)(
    'is refused to another user than that of the record, whose lines no server could read',
    async () => {
      const id = String((await tpp.register()).json.client_id);
      const newest = (await readdir(join(folder, 'audit')))
        .filter((one) => one.endsWith('.jsonl'))
        .toSorted();
      const file = join(folder, 'audit', newest.at(-1) ?? '');
      await chown(file, 4711, 4711);
      const refused = await client('approve', id);
      expect([refused.status, refused.stderr]).toEqual([
        2,
        expect.stringContaining('audit.folder: belongs to the user 4711'),
      ]);
      expect(await json('show', id)).toMatchObject({ status: 'awaiting-approval' });
      await chown(file, 0, 0);
    },
    60_000,
  );

  it.skipIf(name !== 'SQLite')(
    'shows a client of a file, and leaves it to its file',
    async () => {
      const named = tppNamed(sandbox.description, 'money-one').clients.tls_client_auth.client_id;
      expect(await json('show', named)).toMatchObject({ client_id: named, origin: 'file' });
      const refused = await client('delete', named);
      expect([refused.status, refused.stderr]).toEqual([
        1,
        expect.stringContaining('a file names the client'),
      ]);
      expect(await code(named)).toBe(200);
    },
    30_000,
  );
});
