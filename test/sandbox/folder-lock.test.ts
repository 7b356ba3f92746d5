import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { isRefusal } from '../../src/errors.ts';
import { lockFolder } from '../../src/sandbox/folder-lock.ts';

describe('the lock of a sandbox folder', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tallystick-lock-'));
    file = join(folder, 'sandbox.lock');
    onTestFinished(() => rm(folder, { recursive: true }));
  });

  it('is refused while another process lives that holds it', async () => {
    await writeFile(file, String(process.ppid));
    const refused = await lockFolder(folder, file).catch((error: unknown) => error);
    expect(isRefusal(refused, 'ERR_CONFIG_INVALID')).toBe(true);
    expect(await readFile(file, 'utf8')).toBe(String(process.ppid));
  });

  it.each([
    ['of a process that has ended', '2147483646'],
    ['of a killed process with the number of this one, as in a container', String(process.pid)],
    ['without a number', ''],
  ])('is taken over from the mark %s', async (_title, content) => {
    await writeFile(file, content);
    const lock = await lockFolder(folder, file);
    expect(await readFile(file, 'utf8')).toBe(String(process.pid));
    await lock.release();
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
