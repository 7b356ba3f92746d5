import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../files/created-file.ts';
import type { ListFile } from './list-of-lists.ts';
import { readSnapshot, type TrustedListSnapshot, writeSnapshot } from './snapshot.ts';
import { MAX_TRUSTED_LIST_BYTES } from './xml/document.ts';

const LIST_OF_LISTS = 'eu-lotl.xml';
const PIVOT = /^eu-lotl-pivot-\d{1,9}\.xml$/;

/** The file of a folder that has what was proved of its lists. */
export const SNAPSHOT = 'issuers.json';

/** The folder of the last good lists, under names that an operator reads: `eu-lotl.xml`, `AT.xml`, `issuers.json`. */
export class ListFolder {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  get snapshotFile(): string {
    return join(this.folder, SNAPSHOT);
  }

  async open(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
  }

  /** The proof that was kept last, if any. @throws ERR_TRUSTED_LIST_SNAPSHOT */
  async snapshot(): Promise<TrustedListSnapshot | undefined> {
    const bytes = await this.#load(SNAPSHOT);
    return bytes === undefined ? undefined : readSnapshot(bytes.toString('utf8'), this.snapshotFile);
  }

  async keepSnapshot(snapshot: TrustedListSnapshot): Promise<void> {
    await replaceFile(this.snapshotFile, writeSnapshot(snapshot));
  }

  /** The list of a territory, `EU` for the list of the lists. */
  async list(territory: string): Promise<ListFile | undefined> {
    const name = fileOf(territory);
    const bytes = await this.#load(name);
    return bytes === undefined ? undefined : { source: join(this.folder, name), bytes };
  }

  async keepList(territory: string, bytes: Uint8Array): Promise<void> {
    await replaceFile(join(this.folder, fileOf(territory)), bytes);
  }

  async pivots(): Promise<readonly ListFile[]> {
    const names = (await readdir(this.folder)).filter((name) => PIVOT.test(name));
    const files = await Promise.all(
      names.map(async (name) => ({ source: join(this.folder, name), bytes: await this.#load(name) })),
    );
    return files.flatMap(({ source, bytes }) => (bytes === undefined ? [] : [{ source, bytes }]));
  }

  /** Keeps a pivot under the last part of its address, which must have the form of one. */
  async keepPivot(name: string, bytes: Uint8Array): Promise<void> {
    if (!PIVOT.test(name)) throw new TypeError(`no name of a pivot: ${name}`);
    await replaceFile(join(this.folder, name), bytes);
  }

  async #load(name: string): Promise<Buffer | undefined> {
    const file = join(this.folder, name);
    try {
      // A list that is too long is read as far as its refusal needs.
      if (name !== SNAPSHOT && (await stat(file)).size > MAX_TRUSTED_LIST_BYTES) {
        return Buffer.alloc(MAX_TRUSTED_LIST_BYTES + 1);
      }
      return await readFile(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

/** Whether the last part of an address is that of a pivot of the list of the lists. */
export function pivotName(address: string): string | undefined {
  const name = URL.parse(address)?.pathname.split('/').at(-1) ?? '';
  return PIVOT.test(name) ? name : undefined;
}

function fileOf(territory: string): string {
  if (!/^[A-Z]{2}$/.test(territory)) throw new TypeError(`no territory: ${territory}`);
  return territory === 'EU' ? LIST_OF_LISTS : `${territory}.xml`;
}
