import { z } from 'zod';
import type { Problem } from '../../errors.ts';

const file = z.string().min(1);

/** Where the signing keys are kept. */
export const signingKeysSchema = z.strictObject({
  file: file.meta({ description: 'The same as `signingKeysFile`.' }),
});

interface WithSigningKeys {
  readonly signingKeysFile?: string | undefined;
  readonly signingKeys?: z.infer<typeof signingKeysSchema> | undefined;
}

/** The two ways to name the place are alternatives. */
export function findSigningKeyProblems({
  signingKeysFile,
  signingKeys,
}: WithSigningKeys): readonly Problem[] {
  if ((signingKeysFile === undefined) === (signingKeys === undefined)) {
    return [
      { path: 'signingKeysFile', message: 'exactly one of signingKeysFile and signingKeys must be set' },
    ];
  }
  return [];
}
