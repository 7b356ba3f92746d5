import { EventEmitter } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PROFILE_NAMES } from '../../src/authorization-server/profiles/profiles.ts';
import type { ClientChange } from '../../src/authorization-server/clients/client-source.ts';
import { isRefusal } from '../../src/errors.ts';
import { openClientFiles } from '../../src/server/clients/client-files.ts';
import { ReceivedLists, SharedLists } from '../../src/server/workers/shared-lists.ts';

let folder: string;
let file: string;
let events: string[];
let lists: SharedLists;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-shared-'));
  file = join(folder, 'clients.json');
  events = [];
  lists = new SharedLists({ emit: (event) => void events.push(event) });
});
afterEach(async () => {
  await lists.close();
  await rm(folder, { recursive: true });
});

/** A worker's two ends of its channel: messages are copied, and arrive later and in order. */
class Channel extends EventEmitter {
  connected = true;
  readonly receiver = {
    isConnected: () => this.connected,
    send: (message: unknown, sent: (error: Error | null) => void) => {
      const copy = structuredClone(message);
      setImmediate(() => {
        if (this.connected) this.emit('message', copy);
        sent(null);
      });
    },
  };

  send(message: unknown): boolean {
    const copy = structuredClone(message);
    setImmediate(() => void lists.answer(this.receiver, copy));
    return true;
  }
}

const entry = (clientId: string) => ({
  client_id: clientId,
  client_name: 'Acme',
  authorization_number: 'PSDGB-FCA-123456',
  token_endpoint_auth_method: 'tls_client_auth',
  redirect_uris: ['https://tpp.test/a-callback-that-is-rather-long-so-that-the-list-is-sent-in-pieces'],
  grant_types: ['client_credentials', 'authorization_code'],
  scope: 'accounts',
});
const write = (...ids: string[]) => writeFile(file, JSON.stringify({ clients: ids.map(entry) }));
const openIn = (channel: Channel) =>
  openClientFiles({
    entries: [],
    apiScopes: ['accounts'],
    profiles: PROFILE_NAMES,
    senderConstraints: ['certificate'],
    file,
    log: { emit: () => expect.fail('a worker logs nothing of a list') },
    pollSeconds: 0.02,
    openList: new ReceivedLists(channel as never).open,
  });
const POLL = { timeout: 10_000 };
const MANY = Array.from({ length: 2000 }, (_, at) => `c${at}`);

describe('lists that one process reads for its workers', () => {
  it('are read once, and reach each worker whole, as does every change', async () => {
    await write(...MANY);
    const workers = await Promise.all([openIn(new Channel()), openIn(new Channel())]);
    for (const clients of workers) expect(MANY.every((id) => clients.find(id)?.client_id === id)).toBe(true);
    expect(events).toEqual(['clients.loaded']);
    const changes: ClientChange[] = [];
    for (const clients of workers) clients.follow((change) => void changes.push(change));
    await write(...MANY.slice(1), 'new');
    await expect.poll(() => changes, POLL).toEqual(Array(2).fill({ added: ['new'], removed: ['c0'] }));
    for (const clients of workers) {
      expect([clients.has('c0'), clients.has('new'), clients.has('c1')]).toEqual([false, true, true]);
    }
    expect(events).toEqual(['clients.loaded', 'clients.loaded']);
    await Promise.all(workers.map((clients) => clients.close()));
  });

  it('are refused at the start with the problems of the file, and tried again by the next worker', async () => {
    await write('one', 'one');
    const refused = await openIn(new Channel()).catch((error: unknown) => error);
    expect(isRefusal(refused, 'ERR_CONFIG_INVALID') && refused.details.problems).toHaveLength(1);
    await write('one', 'two');
    expect((await openIn(new Channel())).has('two')).toBe(true);
  });

  it('stay for a worker that goes on when another one dies', async () => {
    await write('one');
    const [dying, staying] = [new Channel(), new Channel()];
    const [, clients] = await Promise.all([openIn(dying), openIn(staying)]);
    dying.connected = false;
    await write('two');
    await expect.poll(() => clients.has('two'), POLL).toBe(true);
  });

  it('forget a worker that has ended as soon as its successor asks', async () => {
    await write('one');
    const ended = new Channel();
    await openIn(ended);
    ended.connected = false;
    const clients = await openIn(new Channel());
    let questions = 0;
    ended.receiver.isConnected = () => {
      questions += 1;
      return false;
    };
    await write('two');
    await expect.poll(() => clients.has('two'), POLL).toBe(true);
    expect(questions).toBe(0);
  });

  it('are checked at once when a worker asks', async () => {
    const { blockListReader } = await import('../../src/tpp/block-list/block-list.ts');
    const lists = new ReceivedLists(new Channel() as never);
    await writeFile(file, 'blocked: []');
    const log = { emit: () => undefined };
    const list = await lists.open({
      reader: blockListReader,
      source: { file },
      name: 'block-list',
      log,
      pollSeconds: 3600,
    });
    expect(await list.reload()).toBe(false);
    await writeFile(
      file,
      'blocked: [{ authorizationNumber: PSDGB-FCA-1, reason: fraud, since: 2026-01-31 }]',
    );
    expect([await list.reload(), list.current.size]).toEqual([true, 1]);
    await writeFile(file, 'blocked: [');
    expect([await list.reload(), list.current.size]).toEqual([false, 1]);
    expect(events).toEqual(['block-list.loaded', 'block-list.loaded', 'block-list.refused']);
    await list.close();
  });
});
