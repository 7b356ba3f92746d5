import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { invalidConfig, type OpenBankingError } from '../errors.ts';
import type { Log } from '../events.ts';
import { findExposedFiles, type PrivateFile } from '../files/private-files.ts';

/** The fields of a configuration that name a file or a folder. */
const FILE_FIELD = /^(file|folder|aspspModule)$|File$/;

/** Those of them that hold a secret. */
const PRIVATE_FIELD = /(privateKey|secret|password|pin|credentials|signingKeys?|encryptionKeys)File$/i;

/** The files of a configuration that hold secrets, each with its place. */
export function privateFilesOf(config: object): readonly PrivateFile[] {
  const found: PrivateFile[] = [];
  const collect = (inner: unknown, path: string): void => {
    if (typeof inner === 'string') {
      if (PRIVATE_FIELD.test(path) || path === 'signingKeys.file') found.push({ path, file: inner });
    } else if (typeof inner === 'object' && inner !== null) {
      for (const [name, one] of Object.entries(inner)) collect(one, path === '' ? name : `${path}.${name}`);
    }
  };
  collect(config, '');
  return found;
}

/**
 * Refuses private files that every user of the machine may read or change, and warns of those that their group may.
 *
 * @throws ERR_CONFIG_INVALID with each file, its mode and the command that ends the problem
 */
export async function assertPrivateFiles(config: object, source: string, log: Log): Promise<void> {
  const exposed = await findExposedFiles(privateFilesOf(config));
  const refused = exposed.filter(({ isForAll }) => isForAll);
  if (refused.length > 0) {
    throw invalidConfig(
      source,
      refused.map(({ path, message }) => ({ path, message })),
    );
  }
  if (exposed.length > 0) {
    log.emit('files.shared', { problems: exposed.map(({ path, message }) => ({ path, message })) });
  }
}

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

/** Every file and folder that a configuration names, each with its place: `trust[0].anchorsFile`. */
export function filesIn(value: unknown, path = ''): { readonly path: string; readonly file: string }[] {
  if (Array.isArray(value)) return value.flatMap((one, at) => filesIn(one, `${path}[${at}]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const place = path === '' ? name : `${path}.${name}`;
    const isFile = typeof inner === 'string' && FILE_FIELD.test(name);
    return isFile ? [{ path: place, file: inner }] : filesIn(inner, place);
  });
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
