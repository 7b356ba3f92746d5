import { z } from 'zod';
import type { Problem } from '../../errors.ts';

const file = z.string().min(1);

const pkcs11 = z
  .strictObject({
    moduleFile: file.meta({
      description:
        'The PKCS#11 library of the vendor, such as `/usr/lib/softhsm/libsofthsm2.so`. The library runs in a process of its own.',
    }),
    tokenLabel: z.string().min(1).max(32).optional().meta({
      description: 'The label of the token. Either this or `slot`.',
    }),
    slot: z.int().min(0).max(0xffff_ffff).optional().meta({ description: 'The number of the slot.' }),
    pinFile: file.meta({ description: 'File that holds the PIN of the user; read at each login.' }),
    keyLabel: z
      .string()
      .regex(/^[\w.-]{1,32}$/, 'must be 1 to 32 letters, digits and "_.-"')
      .default('tallystick')
      .meta({
        description:
          'Keys of the token with this label sign; so do keys whose label goes on with `@` and a time, from that time: `tallystick@2026-12-01T00:00:00Z`.',
      }),
    sessions: z.int().min(1).max(64).default(8).meta({
      description: 'Signatures that each process of this server makes at once.',
    }),
    timeoutMilliseconds: z.int().min(50).max(10_000).default(2000).meta({
      description: 'The longest that a signature takes. Beyond: 503.',
    }),
    pollSeconds: z.int().min(1).max(300).default(10).meta({
      description: 'How often the keys of the token are listed, so that new ones are found.',
    }),
  })
  .refine((value) => (value.tokenLabel === undefined) !== (value.slot === undefined), {
    error: 'needs either tokenLabel or slot',
  });

const kms = z.strictObject({
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, 'must be the name of a region')
    .meta({ description: 'The region of AWS KMS.' }),
  url: z
    .url({ protocol: /^https$/, error: 'must be an https URL' })
    .optional()
    .meta({
      description: 'The address of the service, where it is not the public one of the region.',
    }),
  credentialsFile: file.meta({
    description:
      'JSON with `AccessKeyId`, `SecretAccessKey` and, of a role, `SessionToken`, as `aws configure export-credentials` writes it. Read again when it is older than five seconds.',
  }),
  keysFile: file.meta({
    description: 'The list of the keys, without secrets: `tallystick keys rotate --key` writes it.',
  }),
  caFile: file.optional().meta({ description: 'PEM of the only CAs that are trusted for the service.' }),
  timeoutMilliseconds: z.int().min(50).max(5000).default(1000).meta({
    description: 'The longest that one try of a signature takes; a second one follows a failure. Then: 503.',
  }),
});

/** Where the signing keys are kept: a file, a PKCS#11 token or a KMS. */
export const signingKeysSchema = z.strictObject({
  file: file.optional().meta({
    description: 'The same as `signingKeysFile`. One of `file`, `pkcs11` and `kms` must be set.',
  }),
  pkcs11: pkcs11.optional(),
  kms: kms.optional(),
  rotateDays: z.int().min(1).max(3650).optional().meta({
    description:
      'New keys are made when the newest has signed for so many days, by one of all processes that share the store. Not with `kms`. Absent: only by `tallystick keys rotate`.',
  }),
  encryptionKeysFile: file.optional().meta({
    description:
      'Private JSON Web Key Set for encrypted request objects, which no token or KMS decrypts; with `file` they are in that file.',
  }),
});

interface WithSigningKeys {
  readonly signingKeysFile?: string | undefined;
  readonly signingKeys?: z.infer<typeof signingKeysSchema> | undefined;
}

/** The kinds of places are alternatives of each other. */
export function findSigningKeyProblems({
  signingKeysFile,
  signingKeys,
}: WithSigningKeys): readonly Problem[] {
  if ((signingKeysFile === undefined) === (signingKeys === undefined)) {
    return [
      { path: 'signingKeysFile', message: 'exactly one of signingKeysFile and signingKeys must be set' },
    ];
  }
  if (signingKeys === undefined) return [];
  const { file: keyFile, pkcs11: token, kms: service, encryptionKeysFile } = signingKeys;
  const places = [keyFile, token, service].filter((one) => one !== undefined);
  if (places.length !== 1) {
    return [{ path: 'signingKeys', message: 'exactly one of file, pkcs11 and kms must be set' }];
  }
  if (service !== undefined && signingKeys.rotateDays !== undefined) {
    const message = 'is not for keys of a KMS, which are made there: add each by keys rotate --key';
    return [{ path: 'signingKeys.rotateDays', message }];
  }
  return keyFile === undefined || encryptionKeysFile === undefined
    ? []
    : [{ path: 'signingKeys.encryptionKeysFile', message: 'belongs to pkcs11 and kms' }];
}
