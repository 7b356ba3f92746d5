import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assertPrivateFiles, privateFilesOf } from '../../src/configuration/configured-files.ts';
import { isRefusal } from '../../src/errors.ts';
import { logTo } from '../../src/events.ts';
import { findExposedFiles } from '../../src/files/private-files.ts';

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-private-'));
  file = join(folder, 'server.key');
  await writeFile(file, 'secret');
});
afterAll(() => rm(folder, { recursive: true }));

async function outcomeOf(mode: number, named = file): Promise<string> {
  await chmod(file, mode);
  const warned: string[] = [];
  const log = logTo((name, _definition, { problems }) => {
    warned.push(`${name} ${problems?.map(({ path, message }) => `${path}: ${message}`).join()}`);
  });
  const error = await assertPrivateFiles({ tls: { privateKeyFile: named } }, 'test', log).catch((one) => one);
  if (error === undefined) return warned.join() || 'accepted';
  if (!isRefusal(error, 'ERR_CONFIG_INVALID')) throw error;
  return error.details.problems.map(({ path, message }) => `refused ${path}: ${message}`).join();
}

describe.skipIf(process.platform === 'win32')('a private file', () => {
  it.each([
    [0o600, 'accepted'],
    [0o400, 'accepted'],
    [0o640, 'files.shared tls.privateKeyFile: '],
    [0o440, 'files.shared tls.privateKeyFile: '],
    [0o644, 'refused tls.privateKeyFile: '],
    [0o602, 'refused tls.privateKeyFile: '],
    [0o444, 'refused tls.privateKeyFile: '],
  ])('of mode %o is judged at the start', async (mode, outcome) => {
    expect(await outcomeOf(mode)).toContain(outcome);
  });

  it('is named with its mode and the command to run', async () => {
    expect(await outcomeOf(0o644)).toBe(
      `refused tls.privateKeyFile: ${file} can be read or changed by every user of this machine (mode 0644): run chmod 600 ${file}`,
    );
  });

  it('is judged by what a link leads to, as Kubernetes mounts secrets', async () => {
    const link = join(folder, 'link.key');
    await symlink(file, link);
    expect(await outcomeOf(0o440, link)).toContain('files.shared');
    expect(await outcomeOf(0o444, link)).toContain('refused');
  });

  it('is left to its reader where there is none, and to Windows there', async () => {
    expect(await findExposedFiles([{ path: 'a', file: join(folder, 'none') }])).toEqual([]);
    await chmod(file, 0o644);
    expect(await findExposedFiles([{ path: 'a', file }], 'win32')).toEqual([]);
  });

  it('is found by its field, wherever the field stands', () => {
    const config = {
      tls: { certificateFile: 'no', privateKeyFile: '1' },
      storage: { secretFile: '2', redis: { usernameFile: 'no', sentinelPasswordFile: '3' } },
      signingKeys: { file: '4', pkcs11: { pinFile: '5', moduleFile: 'no' }, encryptionKeysFile: '6' },
      signingKeysFile: '7',
      registry: { file: 'no', sources: [{ signingKeyFile: '8' }] },
    };
    expect(privateFilesOf(config).map((one) => one.file)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
  });
});
