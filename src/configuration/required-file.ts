import { readFile } from 'node:fs/promises';
import { invalidConfig, type OpenBankingError } from '../errors.ts';

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
