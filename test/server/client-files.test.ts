import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { ClientEntry } from '../../src/configuration/client-schema.ts';
import { isRefusal } from '../../src/errors.ts';
import { silentLog } from '../../src/events.ts';
import { openClientFiles } from '../../src/server/client-files.ts';

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
const open = () =>
  openClientFiles({
    entries: [entry('own')],
    apiScopes: ['accounts'],
    file,
    log: silentLog,
    pollSeconds: 0.02,
  });

describe('registered clients', () => {
  it('are those of the configuration and of its file, as the file is at the moment', async () => {
    await write('one', 'two');
    const clients = await open();
    const told: string[] = [];
    clients.follow((list) => void told.push(list.map((one) => one.client_id).join()));
    await write('two', 'three');
    await expect.poll(() => clients.find('one')).toBeUndefined();
    expect(['own', 'two', 'three'].map((id) => clients.find(id)?.client_id)).toEqual(['own', 'two', 'three']);
    expect(told).toEqual(['own,one,two', 'own,two,three']);
    await clients.close();
  });

  it('stay as they were while the file is bad, or while who follows them refuses it', async () => {
    await write('one');
    const clients = await open();
    let refuses = true;
    const offered: string[] = [];
    clients.follow((list) => {
      offered.push(list.map((one) => one.client_id).join());
      if (refuses && list.length > 2) throw new TypeError('too many');
    });
    await write('own');
    await new Promise((resolve) => setTimeout(resolve, 100));
    await write('one', 'two');
    await expect.poll(() => offered.length).toBe(2);
    expect([clients.find('one')?.client_id, clients.find('two')]).toEqual(['one', undefined]);
    refuses = false;
    await write('one', 'two', 'three');
    await expect.poll(() => clients.find('three')?.client_id).toBe('three');
    await clients.close();
  });

  it.each([
    ['is missing', undefined],
    ['is no YAML', 'clients: [['],
    ['has an unknown field', stringify({ clients: [], more: 1 })],
    ['has a client of the configuration', stringify({ clients: [entry('own')] })],
  ])('are refused at the start when the file %s', async (_what, content) => {
    if (content !== undefined) await writeFile(file, content);
    expect(isRefusal(await open().catch((error: unknown) => error), 'ERR_CONFIG_INVALID')).toBe(true);
  });
});
