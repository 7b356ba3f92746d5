import { randomUUID } from 'node:crypto';
import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * The content of a file that is made, with mode 0600, when there is none. Of several processes that make it at
 * once, one succeeds and all return its content; no process reads a part of it.
 *
 * @throws the error of `node:fs` when the file cannot be read or made
 */
export async function readOrCreate(file: string, create: () => Promise<string> | string): Promise<string> {
  const existing = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
  if (existing !== undefined) return existing;
  const whole = await writeAside(file, await create());
  try {
    // Unlike rename, link never replaces a file that another process has made since.
    await link(whole, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await syncFolder(file);
  } finally {
    await rm(whole, { force: true });
  }
  return readFile(file, 'utf8');
}

/** The sentence for an error of `readOrCreate`. */
export function creationProblem({ code }: NodeJS.ErrnoException): string {
  return code === 'ENOENT' ? 'cannot be made: its folder does not exist' : `cannot be read: ${code}`;
}

/** Replaces a file, mode 0600: a reader sees the old content or the new one, also after a power cut. */
export async function replaceFile(file: string, content: string | Uint8Array): Promise<void> {
  await rename(await writeAside(file, content), file);
  await syncFolder(file);
}

async function writeAside(file: string, content: string | Uint8Array): Promise<string> {
  const aside = `${file}.${randomUUID()}.new`;
  const handle = await open(aside, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return aside;
}

async function syncFolder(file: string): Promise<void> {
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
