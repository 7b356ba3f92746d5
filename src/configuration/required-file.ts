import { readFile } from 'node:fs/promises';
import { invalidConfig, type OpenBankingError } from '../errors.ts';

/**
 * The text of a file that a configuration names at `path`.
 *
 * @throws ERR_CONFIG_INVALID
 */
export function readRequired(file: string, path: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw unreadable(file, path, error);
  });
}

/** The refusal of a configured file that cannot be read. */
export function unreadable(
  file: string,
  path: string,
  error: NodeJS.ErrnoException,
): OpenBankingError<'ERR_CONFIG_INVALID'> {
  return invalidConfig(file, [{ path, message: `cannot be read: ${error.code}` }]);
}
