import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { invalidConfig, type OpenBankingError } from '../errors.ts';

/** The fields of a configuration that name a file or a folder. */
const FILE_FIELD = /^(file|folder|aspspModule)$|File$/;

/** The same value with every file name absolute; in the configuration, names are relative to its folder. */
export function withAbsoluteFiles<T>(value: T, folder: string): T {
  const absolute = (inner: unknown, field: string): unknown => {
    if (typeof inner === 'string') return FILE_FIELD.test(field) ? resolve(folder, inner) : inner;
    if (Array.isArray(inner)) return inner.map((one) => absolute(one, ''));
    if (typeof inner !== 'object' || inner === null) return inner;
    return Object.fromEntries(Object.entries(inner).map(([name, one]) => [name, absolute(one, name)]));
  };
  return absolute(value, '') as T;
}

/**
 * The text of a file that a configuration names at `path`; `source` is the configuration, by default the file itself.
 *
 * @throws ERR_CONFIG_INVALID
 */
export function readRequired(file: string, path: string, source: string = file): Promise<string> {
  return readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(source, path, cause);
  });
}

/** The refusal for a file that cannot be read. */
export function unreadable(
  source: string,
  path: string,
  cause: NodeJS.ErrnoException,
): OpenBankingError<'ERR_CONFIG_INVALID'> {
  return invalidConfig(source, [{ path, message: `cannot be read: ${cause.code}` }], cause);
}
