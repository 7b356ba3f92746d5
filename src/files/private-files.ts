import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { invalidConfig } from '../errors.ts';

/** A file that holds a secret, and the field of the configuration that names the file. */
export interface PrivateFile {
  readonly path: string;
  readonly file: string;
}

/** A private file that more users than its owner may read or change. */
export interface ExposedFile extends PrivateFile {
  /** Whether every user of the machine may; otherwise the group of the file may. */
  readonly isForAll: boolean;
  /** The problem, and the command that ends it. */
  readonly message: string;
}

const OF_ALL = 0o006;
const OF_GROUP = 0o060;

/**
 * Those of the files that other users may read or write. Links are followed, as Kubernetes mounts secrets. A file that is not
 * there is left to its reader. Windows has other rights, and is left out.
 */
export async function findExposedFiles(
  files: readonly PrivateFile[],
  platform: NodeJS.Platform = process.platform,
): Promise<readonly ExposedFile[]> {
  if (platform === 'win32') return [];
  const found = await Promise.all(
    files.map(async (one) => {
      const mode = await stat(one.file).then(
        (info) => info.mode,
        () => 0,
      );
      return exposureOf(one, mode);
    }),
  );
  return found.filter((one) => one !== undefined);
}

/**
 * The problem of a private file that every user of the machine may read or change. Asked by a running server before it uses new
 * content, which the next start would refuse. Synchronous, since some readers are.
 */
export function findExposure(file: PrivateFile): string | undefined {
  if (process.platform === 'win32') return undefined;
  const mode = statSync(file.file, { throwIfNoEntry: false })?.mode ?? 0;
  const exposed = exposureOf(file, mode);
  return exposed?.isForAll === true ? exposed.message : undefined;
}

/** @throws ERR_CONFIG_INVALID with the problem of `findExposure` */
export function assertUnexposed(file: PrivateFile): void {
  const message = findExposure(file);
  if (message !== undefined) throw invalidConfig(file.file, [{ path: file.path, message }]);
}

function exposureOf({ path, file }: PrivateFile, mode: number): ExposedFile | undefined {
  if ((mode & (OF_ALL | OF_GROUP)) === 0) return undefined;
  const isForAll = (mode & OF_ALL) !== 0;
  const whose = isForAll ? 'every user of this machine' : 'the group of the file';
  const digits = (mode & 0o777).toString(8).padStart(4, '0');
  const message = `${file} can be read or changed by ${whose} (mode ${digits}): run chmod 600 ${file}`;
  return { path, file, isForAll, message };
}
