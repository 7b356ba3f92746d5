import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readOrCreate, replaceFile } from '../../src/files/created-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-created-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('a file that is made when there is none', () => {
  it('has one content for all who make it at once, private, with nothing left beside it (H18)', async () => {
    const file = join(folder, 'secret');
    const contents = await Promise.all(
      Array.from({ length: 20 }, (_, at) => readOrCreate(file, () => `content ${at}\n`)),
    );
    expect(new Set(contents).size).toBe(1);
    expect(await readFile(file, 'utf8')).toBe(contents[0]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['secret']);
  });

  it('is not touched when it is there', async () => {
    const file = join(folder, 'secret');
    await replaceFile(file, 'one');
    expect(await readOrCreate(file, () => 'two')).toBe('one');
    await replaceFile(file, 'three');
    expect(await readOrCreate(file, () => 'two')).toBe('three');
    expect(await readdir(folder)).toEqual(['secret']);
  });
});
