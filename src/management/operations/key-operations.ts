import { z } from 'zod';
import { type KeyPlace, PUBLISHED_AHEAD_SECONDS } from '../../authorization-server/signing/keyring.ts';
import type { KeyState } from '../../authorization-server/signing/key-states.ts';
import { changing, none, reading } from './contract.ts';
import { instantField } from './fields.ts';

export interface KeyParts {
  readonly keys: Pick<KeyPlace, 'states' | 'rotate'>;
}

const keysSchema = z
  .object({
    keys: z.array(
      z.object({
        kid: z.string(),
        alg: z.string(),
        state: z.enum(['next', 'signing', 'encrypting', 'published', 'over']),
        from: instantField.optional().meta({ description: 'Since when, or from when on, it signs.' }),
        name: z.string().optional().meta({ description: 'In its token or KMS.' }),
      }),
    ),
  })
  .meta({ id: 'Keys' });

/** The keys that this server signs and decrypts with. */
export function keyOperations({ keys }: KeyParts) {
  const states = async () => ({ keys: (await keys.states()).map(viewOf) });
  return {
    listKeys: reading(
      {
        part: 'keys',
        operationId: 'listKeys',
        path: '/v1/keys',
        right: 'view',
        summary: 'The keys of this server, without their secrets',
        params: none,
        answer: keysSchema,
        isVersioned: true,
      },
      states,
    ),
    rotateKeys: changing(
      {
        part: 'keys',
        operationId: 'rotateKeys',
        path: '/v1/keys/rotate',
        right: 'keys',
        summary: 'New keys: published at once, and signing after the delay',
        params: none,
        body: {
          delaySeconds: z.int().min(0).max(604_800).default(PUBLISHED_AHEAD_SECONDS),
          compromised: z.boolean().default(false).meta({
            description: 'Drop the old keys at once: every token that they signed is refused.',
          }),
          keyIds: z.array(z.string().min(1).max(2048)).max(10).optional().meta({
            description: 'Of a KMS: the keys that you made there. Other places make keys themselves.',
          }),
        },
        answer: keysSchema,
        refusals: ['ERR_CONFIG_INVALID'],
      },
      { schema: keysSchema, find: async () => ({ shown: await states(), record: undefined }) },
      async ({ body: { delaySeconds, compromised, keyIds } }) => {
        const order = {
          delaySeconds,
          isCompromised: compromised,
          ...(keyIds === undefined ? {} : { keyIds }),
        };
        return { keys: (await keys.rotate(order)).map(viewOf) };
      },
    ),
  };
}

function viewOf({ from, ...key }: KeyState) {
  return { ...key, ...(from === undefined ? {} : { from: from.toISOString() }) };
}
