import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { invalidConfig } from '../errors.ts';

const OWNER_ONLY = 0o700;

/**
 * Makes the folder where there is none, and marks it as used by this process until `release`. The mark of a process that
 * has ended counts for nothing.
 *
 * @throws ERR_CONFIG_INVALID while another sandbox runs in the folder
 */
export async function lockFolder(folder: string, file: string): Promise<{ release(): Promise<void> }> {
  await mkdir(folder, { recursive: true, mode: OWNER_ONLY });
  while (!(await isMade(file))) {
    const owner = await ownerOf(file);
    if (owner !== undefined) {
      const message =
        `a sandbox runs in ${folder} (process ${owner}): stop it first, or choose another folder with --dir. ` +
        `If that process is no sandbox, remove ${file}.`;
      throw invalidConfig('command line', [{ path: '--dir', message }]);
    }
    await rm(file, { force: true });
  }
  return { release: () => rm(file, { force: true }) };
}

/** The file appears with its content: a second start never reads it empty. */
async function isMade(file: string): Promise<boolean> {
  const whole = `${file}.${process.pid}`;
  await writeFile(whole, String(process.pid), { mode: 0o600 });
  try {
    await link(whole, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(whole, { force: true });
  }
}

/** The living process that has made the file. In a container a process that was killed had the number of this one. */
async function ownerOf(file: string): Promise<number | undefined> {
  const owner = Number(await readFile(file, 'utf8').catch(() => ''));
  if (!Number.isSafeInteger(owner) || owner <= 0 || owner === process.pid) return undefined;
  try {
    process.kill(owner, 0);
    return owner;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? owner : undefined;
  }
}
