import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { invalidConfig, isRefusal } from '../../src/errors.ts';
import type { EventFields, Log } from '../../src/events.ts';
import { keysMissingIn, openFollowedList } from '../../src/files/followed-list.ts';
import { type ListReader, MAX_LIST_BYTES } from '../../src/files/list-reader.ts';
import { packRecords } from '../../src/files/packed-records.ts';

let folder: string;
let file: string;
let events: [event: string, fields: EventFields | undefined][];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-list-'));
  file = join(folder, 'words');
  events = [];
});
afterEach(() => rm(folder, { recursive: true }));

const log: Log = { emit: (event, fields) => void events.push([event, fields]) };
/** Reads words here, and runs `code` in the thread of a long list. */
const readerWith = (code: string): ListReader => ({
  worker: new URL(`data:text/javascript,${encodeURIComponent(code)}`),
  read: (content, _source, add) => {
    for (const word of Buffer.from(content).toString().trim().split(' ')) add(word, { word });
  },
  invalid: (problems, source, cause) => invalidConfig(source.file, problems, cause),
});
const open = (code = '') =>
  openFollowedList({ reader: readerWith(code), source: { file }, name: 'clients', log, pollSeconds: 3600 });
const LONG = 'word '.repeat(4000);

function problemOf(error: unknown): string | undefined {
  return isRefusal(error, 'ERR_CONFIG_INVALID') ? error.details.problems[0]?.message : String(error);
}

describe('a followed list', () => {
  it('is found by key, also after a change', async () => {
    await writeFile(file, 'one two');
    const list = await open();
    expect([list.current.find('two'), list.current.size]).toEqual([[{ word: 'two' }], 2]);
    await writeFile(file, 'three');
    expect(await list.reload()).toBe(true);
    expect([list.current.has('two'), list.current.has('three')]).toEqual([false, true]);
    expect(events).toEqual([
      ['clients.loaded', { file, count: 2 }],
      ['clients.loaded', { file, count: 1 }],
    ]);
    await list.close();
  });

  it('is refused when its file is missing, and tried again when the file has gone later', async () => {
    expect(problemOf(await open().catch((error: unknown) => error))).toBe('cannot be read: ENOENT');
    await writeFile(file, 'one');
    const list = await open();
    await rm(file);
    expect([await list.reload(), await list.reload()]).toEqual([false, false]);
    expect(events.map(([event]) => event)).toEqual(['clients.loaded', 'clients.refused', 'clients.refused']);
    expect(list.current.has('one')).toBe(true);
    await list.close();
  });

  it.each([
    [
      'needs more memory than the thread may use',
      'const kept = []; for (;;) kept.push(new Array(1e6).fill(0));',
      /512 MB/,
    ],
    ['ends its thread without an answer', '', /ended with code 0 and no answer/],
    ['fails in its thread', 'throw new TypeError("a fault")', /a fault/],
  ])(
    'that %s is refused, and the last copy stays',
    async (_title, code, message) => {
      await writeFile(file, 'one');
      const list = await open(code);
      await writeFile(file, LONG);
      expect(await list.reload()).toBe(false);
      const { error, problems } = events[1]?.[1] ?? {};
      expect(problems?.[0]?.message ?? String(error)).toMatch(message);
      expect(list.current.has('one')).toBe(true);
      await list.close();
    },
    30_000,
  );

  it('is refused unread when it is longer than a list may be', async () => {
    await writeFile(file, '');
    await truncate(file, MAX_LIST_BYTES + 1);
    const { clientListReader: reader } = await import('../../src/server/clients/client-list.ts');
    const refused = await openFollowedList({ reader, source: { file }, name: 'clients', log }).catch(
      (error: unknown) => error,
    );
    expect(problemOf(refused)).toBe(`is longer than ${MAX_LIST_BYTES} bytes`);
  });

  it('ends its thread when it is closed', async () => {
    await writeFile(file, 'one');
    const list = await open('setInterval(() => undefined, 1000)');
    await writeFile(file, LONG);
    const reloaded = list.reload();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await list.close();
    expect(await reloaded).toBe(false);
    expect(events.map(([event]) => event)).toEqual(['clients.loaded']);
  });
});

describe('two copies of a list', () => {
  it('are compared by their keys', async () => {
    const copyOf = (...keys: number[]) => packRecords(keys.map((key) => [String(key), key]));
    const many = Array.from({ length: 2500 }, (_, at) => at);
    expect(await keysMissingIn(copyOf(...many.slice(1)), copyOf(...many))).toEqual(['0']);
    expect(await keysMissingIn(copyOf(), copyOf(7, 8))).toEqual(['7', '8']);
    expect(await keysMissingIn(copyOf(7), copyOf())).toEqual([]);
  });
});
