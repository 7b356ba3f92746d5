import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = process.env.TALLYSTICK_CORPORA ?? resolve(import.meta.dirname, '../../../shared/corpora');

/** A folder of the shared corpora, and why it is skipped when it is not here. */
export function corpus(folder: string): {
  readonly path: string;
  readonly isMissing: boolean;
  readonly title: string;
} {
  const path = join(root, folder);
  const isMissing = !existsSync(path);
  return {
    path,
    isMissing,
    title: isMissing ? `${folder} (skipped: no such corpus beside the project)` : folder,
  };
}

export function readCorpus(folder: string, file: string): string {
  return readFileSync(join(root, folder, file), 'utf8');
}
