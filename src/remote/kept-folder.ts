import { hash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';

export interface KeptFolderOptions {
  /** Absent: nothing is kept. */
  readonly folder?: string | undefined;
  /** The endings of the files that belong to this folder; no other file is ever removed. */
  readonly kinds: readonly string[];
  readonly clock: Clock;
  /** Called with each fault of the disk. A fault costs the copy at the next start, never the answer of now. */
  readonly onFault: (error: unknown) => void;
}

/** Kept files that were not written again for so long are of sources that are no longer in use. */
const MAX_KEPT_SECONDS = 30 * 86_400;
/** Drafts of a process that was killed; drafts of another process that shares the folder are younger. */
const MAX_DRAFT_SECONDS = 3600;

/** A folder of copies that survive a restart. No method rejects: faults of the disk go to `onFault`. */
export class KeptFolder {
  readonly #options: KeptFolderOptions;
  readonly #opened: Promise<string | undefined>;

  /** Opens the folder at once, so that a fault is known at the start. */
  constructor(options: KeptFolderOptions) {
    this.#options = options;
    this.#opened = this.#unlessFault(() => openFolder(options));
  }

  /** The copy under a name of `keptName`; undefined when there is none that can be read. */
  load(name: string): Promise<Buffer | undefined> {
    return this.#unlessFault(async () => {
      const folder = await this.#opened;
      if (folder === undefined) return undefined;
      return readFile(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
    });
  }

  /** Replaces the copy as a whole, so that no reader sees half of it. */
  async keep(name: string, bytes: Buffer): Promise<void> {
    await this.#unlessFault(async () => {
      const folder = await this.#opened;
      if (folder === undefined) return;
      const draft = join(folder, `${name}.${randomBytes(6).toString('hex')}.new`);
      await writeFile(draft, bytes, { mode: 0o600 });
      await rename(draft, join(folder, name));
    });
  }

  async #unlessFault<T>(run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run();
    } catch (error) {
      this.#options.onFault(error);
      return undefined;
    }
  }
}

/** The file name of a copy. No text of a stranger reaches a path: the key is hashed. */
export function keptName(key: string, kind: string): string {
  return `${hash('sha256', key, 'hex')}.${kind}`;
}

async function openFolder({ folder, kinds, clock }: KeptFolderOptions): Promise<string | undefined> {
  if (folder === undefined) return undefined;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const own = new RegExp(`^[0-9a-f]{64}\\.(${kinds.join('|')})(\\.[0-9a-f]{12}\\.new)?$`);
  const names = (await readdir(folder)).filter((name) => own.test(name));
  const now = clock.now().getTime();
  await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const { mtimeMs } = await stat(path);
      const longest = name.endsWith('.new') ? MAX_DRAFT_SECONDS : MAX_KEPT_SECONDS;
      if (now - mtimeMs > longest * 1000) await rm(path, { force: true });
    }),
  );
  return folder;
}
