import { stat } from 'node:fs/promises';

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
        (info) => info.mode & 0o777,
        () => 0,
      );
      return { ...one, mode };
    }),
  );
  return found
    .filter(({ mode }) => (mode & (OF_ALL | OF_GROUP)) !== 0)
    .map(({ path, file, mode }) => {
      const isForAll = (mode & OF_ALL) !== 0;
      const whose = isForAll ? 'every user of this machine' : 'the group of the file';
      const digits = mode.toString(8).padStart(4, '0');
      const message = `${file} can be read or changed by ${whose} (mode ${digits}): run chmod 600 ${file}`;
      return { path, file, isForAll, message };
    });
}
