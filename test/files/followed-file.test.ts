import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isRefusal, OpenBankingError } from '../../src/errors.ts';
import { type FollowedFile, openFollowedFile } from '../../src/files/followed-file.ts';
import type { Log, EventFields } from '../../src/events.ts';

let folder: string;
let file: string;
let events: [event: string, fields: EventFields | undefined][];
let taken: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-followed-'));
  file = join(folder, 'words');
  events = [];
  taken = [];
});
afterEach(() => rm(folder, { recursive: true }));

const note = (event: string, fields?: EventFields) => void events.push([event, fields]);
const log: Log = { emit: note };
const names = () => events.map(([event]) => event);

function open(pollSeconds = 3600): Promise<FollowedFile<string[]>> {
  return openFollowedFile({
    file,
    name: 'clients',
    log,
    pollSeconds,
    parse: (content) => {
      if (content.includes('bad')) {
        const problems = [{ path: 'words[0]', message: 'is bad' }];
        throw new OpenBankingError('ERR_CONFIG_INVALID', { source: file, problems });
      }
      return content.split(' ');
    },
    unreadable: (cause) =>
      new OpenBankingError('ERR_CONFIG_INVALID', { source: file, problems: [] }, { cause }),
    count: (words) => words.length,
    onChange: (words) => void taken.push(words.join(' ')),
  });
}

describe('a followed file', () => {
  it('refuses a first copy that is missing or bad', async () => {
    const refused = await open().catch((error: unknown) => error);
    expect(isRefusal(refused, 'ERR_CONFIG_INVALID')).toBe(true);
    await writeFile(file, 'bad');
    expect(isRefusal(await open().catch((error: unknown) => error), 'ERR_CONFIG_INVALID')).toBe(true);
  });

  it('takes up a rewrite, a rename and a switched link, each as a whole', async () => {
    await writeFile(file, 'one');
    const followed = await open();
    expect(await followed.reload()).toBe(false);
    await writeFile(file, 'one two');
    expect(await followed.reload()).toBe(true);
    await writeFile(`${file}.new`, 'three');
    await rename(`${file}.new`, file);
    expect(await followed.reload()).toBe(true);
    await writeFile(`${file}.target`, 'four');
    await rm(file);
    await symlink(`${file}.target`, file);
    expect(await followed.reload()).toBe(true);
    expect(followed.current).toEqual(['four']);
    expect(taken).toEqual(['one two', 'three', 'four']);
    await followed.close();
  });

  it('keeps the last good copy while the file is bad or gone, says so once per change, and recovers', async () => {
    await writeFile(file, 'good');
    const followed = await open();
    await writeFile(file, 'bad');
    expect([await followed.reload(), await followed.reload()]).toEqual([false, false]);
    expect(names()).toEqual(['clients.loaded', 'clients.refused']);
    expect(events[1]?.[1]?.problems).toEqual([{ path: 'words[0]', message: 'is bad' }]);
    await rm(file);
    expect(await followed.reload()).toBe(false);
    expect(followed.current).toEqual(['good']);
    await writeFile(file, 'good again');
    expect(await followed.reload()).toBe(true);
    expect(followed.current).toEqual(['good', 'again']);
    await followed.close();
  });

  it('looks by itself, and stops when it is closed', async () => {
    await writeFile(file, 'one');
    const followed = await open(0.02);
    await writeFile(file, 'one two');
    await expect.poll(() => followed.current).toEqual(['one', 'two']);
    await followed.close();
    await writeFile(file, 'one two three');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(followed.current).toEqual(['one', 'two']);
  });
});
