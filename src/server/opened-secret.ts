import { randomBytes } from 'node:crypto';
import { invalidConfig } from '../errors.ts';
import { creationProblem, readOrCreate } from '../files/created-file.ts';

/** Reads the 32 bytes, and makes the file (mode 0600) when there is none. */
export async function openSecret(file: string): Promise<Buffer> {
  const text = await readOrCreate(file, () => `${randomBytes(32).toString('base64url')}\n`).catch(
    (error: NodeJS.ErrnoException) => {
      throw invalidConfig(file, [{ path: 'storage.secretFile', message: creationProblem(error) }], error);
    },
  );
  const secret = Buffer.from(text.trim(), 'base64url');
  if (secret.length < 32) {
    const problem = { path: 'storage.secretFile', message: 'must hold at least 32 bytes in base64url' };
    throw invalidConfig(file, [problem]);
  }
  return secret;
}
