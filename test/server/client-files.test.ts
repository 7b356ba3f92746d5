import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { PROFILE_NAMES } from '../../src/authorization-server/profiles/profiles.ts';
import type { ClientChange } from '../../src/authorization-server/clients/client-source.ts';
import type { ClientEntry } from '../../src/authorization-server/clients/client-schema.ts';
import { isRefusal } from '../../src/errors.ts';
import { type EventFields, type Log, silentLog } from '../../src/events.ts';
import { openClientFiles } from '../../src/server/clients/client-files.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-clients-'));
  file = join(folder, 'clients.yaml');
});
afterEach(() => rm(folder, { recursive: true }));

const entry = (clientId: string): ClientEntry => ({
  client_id: clientId,
  client_name: 'Acme',
  authorization_number: 'PSDGB-FCA-123456',
  token_endpoint_auth_method: 'tls_client_auth',
  redirect_uris: [],
  grant_types: ['client_credentials'],
  scope: 'accounts',
});
const write = (...ids: string[]) => writeFile(file, stringify({ clients: ids.map(entry) }));
const open = (log: Log = silentLog) =>
  openClientFiles({
    entries: [entry('own')],
    apiScopes: ['accounts'],
    profiles: PROFILE_NAMES,
    senderConstraints: ['certificate'],
    file,
    log,
    pollSeconds: 0.02,
  });

describe('registered clients', () => {
  it('are those of the configuration and of its file, as the file is at the moment', async () => {
    await write('one', 'two');
    const clients = await open();
    const told: ClientChange[] = [];
    clients.follow((change) => void told.push(change));
    const [two, own] = [clients.find('two'), clients.find('own')];
    await write('two', 'three');
    await expect.poll(() => clients.find('one')).toBeUndefined();
    expect(['own', 'two', 'three'].map((id) => clients.find(id)?.client_id)).toEqual(['own', 'two', 'three']);
    expect(['own', 'one', 'two'].map((id) => clients.has(id))).toEqual([true, false, true]);
    expect(told).toEqual([{ added: ['three'], removed: ['one'] }]);
    expect(clients.find('two')).toEqual(two);
    expect(clients.find('own')).toBe(own);
    await clients.close();
  });

  it('stay as they were while the file is bad', async () => {
    await write('one');
    const events: (EventFields | undefined)[] = [];
    const clients = await open({
      emit: (event, fields) => void (event === 'clients.refused' && events.push(fields)),
    });
    await write('two', 'own');
    await expect.poll(() => events.length).toBe(1);
    expect(events[0]?.problems).toEqual([
      { path: expect.stringMatching(/^clients\[1\]\.client_id \(line \d+\)$/), message: expect.any(String) },
    ]);
    expect([clients.find('one')?.client_id, clients.find('two')]).toEqual(['one', undefined]);
    await write('one', 'two', 'three');
    await expect.poll(() => clients.find('three')?.client_id).toBe('three');
    await clients.close();
  });

  it('are read in a thread when they are many, with the same answers', async () => {
    const many = Array.from({ length: 300 }, (_, at) => `c${at}`);
    await write(...many);
    const clients = await open();
    expect(many.every((id) => clients.find(id)?.client_id === id)).toBe(true);
    await clients.close();
    await write(...many, 'c7');
    const refused = await open().catch((error: unknown) => error);
    expect(isRefusal(refused, 'ERR_CONFIG_INVALID') && refused.details.problems).toEqual([
      { path: expect.stringMatching(/^clients\[300\]\.client_id/), message: 'is also in clients[7] (c7)' },
    ]);
  });

  it.each([
    ['is missing', undefined],
    ['is no YAML', 'clients: [['],
    ['has a client twice', stringify({ clients: [entry('one'), entry('one')] })],
    ['has an unknown field', stringify({ clients: [], more: 1 })],
    ['has a scope of no API', stringify({ clients: [{ ...entry('one'), scope: 'gold' }] })],
    ['has a client of the configuration', stringify({ clients: [entry('own')] })],
  ])('are refused at the start when the file %s', async (_what, content) => {
    if (content !== undefined) await writeFile(file, content);
    expect(isRefusal(await open().catch((error: unknown) => error), 'ERR_CONFIG_INVALID')).toBe(true);
  });
});
