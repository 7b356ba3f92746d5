import { z } from 'zod';
import { redisSchema } from './storage-schema.ts';

const file = z.string().min(1);

/** The audit record. */
export const auditSchema = z
  .strictObject({
    folder: file.optional().meta({
      description:
        'Folder of the record, one file for each process; made when there is none. Either this or `audit.redis`.',
    }),
    redis: redisSchema.optional(),
    signingKeyFile: file.meta({
      description:
        'PEM of the P-256 key that signs the checkpoints, of this record and of nothing else; made when there is none.',
    }),
    required: z.boolean().default(true).meta({
      description:
        '`true`: while the record cannot be written, requests for tokens, consents and changes get 503. `false`: they are answered, and the record has a gap.',
    }),
    rotateMegabytes: z.int().min(1).max(1024).default(64).meta({
      description: 'Size at which a process begins its next file.',
    }),
    rotateHours: z.int().min(1).max(8784).default(24).meta({
      description: 'Age at which a process begins its next file.',
    }),
  })
  .refine((value) => (value.folder === undefined) !== (value.redis === undefined), {
    error: 'needs either folder or redis',
  })
  .optional();
