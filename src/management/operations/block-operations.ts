import { z } from 'zod';
import { canonicalNca } from '../../../tpp-registry/index.ts';
import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Block } from '../../tpp/block-list/block.ts';
import type { BlockList } from '../../tpp/block-list/block-list.ts';
import { blockIdOf, type StoredBlock, type StoredBlocks } from '../../tpp/block-list/stored-blocks.ts';
import { parseName } from '../../x509/certificate/distinguished-name.ts';
import { changing, creating, none, reading } from './contract.ts';
import { instantField, tppField } from './fields.ts';

export interface BlockParts {
  readonly blocks: Pick<StoredBlocks, 'list' | 'add' | 'findStored' | 'lift'>;
  /** The blocks of the file, which no operator lifts here. */
  readonly fileBlocks: Pick<BlockList, 'size' | 'first'>;
  readonly clock: Clock;
}

/** Blocks of the file on one answer. */
const MAX_OF_FILE = 500;

const blockedField = z
  .union([
    z.strictObject({
      kind: z.literal('tpp'),
      authorizationNumber: tppField,
      nca: z
        .string()
        .max(32)
        .refine((text) => canonicalNca(text) !== undefined, { error: 'is no known competent authority' })
        .optional()
        .meta({ description: 'Absent: under every competent authority.' }),
    }),
    z.strictObject({
      kind: z.literal('certificate'),
      issuer: z
        .string()
        .min(1)
        .max(4096)
        .refine(isName, { error: 'is no name of RFC 4514' })
        .meta({ description: 'RFC 4514, as the certificates here show it.' }),
      serialNumber: z
        .string()
        .regex(/^[0-9a-f]{1,40}$/i, 'must be the hexadecimal digits of at most 20 octets')
        .transform((text) => text.toLowerCase().replace(/^0+(?=.)/, '')),
    }),
  ])
  .meta({ id: 'Blocked', description: 'A TPP with every certificate, or one certificate.' });

export const blockViewSchema = z
  .object({
    blockId: z.string(),
    origin: z.enum(['file', 'store']).meta({ description: 'A block of the file is lifted there.' }),
    blocked: z.object({
      kind: z.enum(['tpp', 'certificate']),
      authorizationNumber: z.string().optional(),
      nca: z.string().optional(),
      issuer: z.string().optional(),
      serialNumber: z.string().optional(),
    }),
    reason: z.string(),
    since: instantField,
    until: instantField.optional().meta({ description: 'Absent: until the block is lifted.' }),
    by: z.string().optional().meta({ description: 'The operator who made it.' }),
  })
  .meta({ id: 'Block' });
export type BlockView = z.infer<typeof blockViewSchema>;

const params = z.strictObject({ blockId: z.string().min(1).max(64) });
const ofBlock = { part: 'blocks', params, answer: blockViewSchema } as const;

/** Blocks: seen, made, lifted. They count for certificates, tokens and pages, in all processes within a second. */
export function blockOperations(parts: BlockParts) {
  const { blocks, fileBlocks } = parts;
  return {
    listBlocks: reading(
      {
        part: 'blocks',
        operationId: 'listBlocks',
        path: '/v1/blocks',
        right: 'view',
        summary: 'Blocked TPPs and certificates: of the store, then of the file (the first 500)',
        params: none,
        answer: z.object({ blocks: z.array(blockViewSchema), inFile: z.int() }),
      },
      async () => ({
        blocks: [...blocks.list().map(viewOfStored), ...fileBlocks.first(MAX_OF_FILE).map(viewOfFile)],
        inFile: fileBlocks.size,
      }),
    ),
    readBlock: reading(
      {
        ...ofBlock,
        operationId: 'readBlock',
        path: '/v1/blocks/{blockId}',
        right: 'view',
        summary: 'A block of the store',
        isVersioned: true,
        refusals: ['ERR_MANAGEMENT_NOT_FOUND'],
      },
      async ({ params: { blockId } }) => viewOfStored(await found(parts, blockId)),
    ),
    createBlock: creating(
      {
        part: 'blocks',
        operationId: 'createBlock',
        path: '/v1/blocks',
        right: 'blocks',
        summary: 'Block a TPP or a certificate, from now on, wherever it acts',
        params: none,
        body: {
          blocked: blockedField,
          until: instantField.optional().meta({ description: 'The end of the block; default: none.' }),
        },
        answer: blockViewSchema,
        refusals: ['ERR_BLOCK_EXISTS'],
      },
      async ({ body: { blocked, until, reason }, operator }) => {
        const block: Block = { ...blocked, reason, since: parts.clock.now() };
        const end = until === undefined ? {} : { until: futureOf(until, parts.clock) };
        return viewOfStored(await blocks.add({ block, by: operator.name, ...end }));
      },
    ),
    liftBlock: changing(
      {
        ...ofBlock,
        operationId: 'liftBlock',
        path: '/v1/blocks/{blockId}/lift',
        right: 'blocks',
        summary: 'Lift a block of the store',
        body: {},
        answer: z.object({ blockId: z.string(), status: z.literal('lifted') }),
        isVersioned: false,
        refusals: ['ERR_MANAGEMENT_NOT_FOUND', 'ERR_MANAGEMENT_FIXED'],
      },
      {
        schema: blockViewSchema,
        find: async ({ params: { blockId } }) => {
          const record = await found(parts, blockId);
          return { shown: viewOfStored(record), record };
        },
      },
      async (_call, { blockId }) => {
        await blocks.lift(blockId);
        return { blockId, status: 'lifted' as const };
      },
    ),
  };
}

/** @throws ERR_MANAGEMENT_NOT_FOUND, ERR_MANAGEMENT_FIXED */
async function found({ blocks, fileBlocks }: BlockParts, blockId: string): Promise<StoredBlock> {
  const stored = await blocks.findStored(blockId);
  if (stored !== undefined) return stored;
  const isOfFile = fileBlocks.first(MAX_OF_FILE).some((block) => blockIdOf(block) === blockId);
  throw new OpenBankingError(isOfFile ? 'ERR_MANAGEMENT_FIXED' : 'ERR_MANAGEMENT_NOT_FOUND', {
    kind: 'block',
    id: blockId,
  });
}

export function viewOfStored({ blockId, block, by, until }: StoredBlock): BlockView {
  return {
    ...viewOf(block),
    blockId,
    origin: 'store',
    by,
    ...(until === undefined ? {} : { until: until.toISOString() }),
  };
}

export function viewOfFile(block: Block): BlockView {
  return { ...viewOf(block), blockId: blockIdOf(block), origin: 'file' };
}

function viewOf({ reason, since, ...blocked }: Block) {
  return { blocked, reason, since: since.toISOString() };
}

function futureOf(text: string, clock: Clock): Date {
  const until = new Date(text);
  if (until > clock.now()) return until;
  const details = { member: 'body.until', problem: 'must be in the future' };
  throw new OpenBankingError('ERR_MANAGEMENT_REQUEST', details);
}

function isName(text: string): boolean {
  try {
    return parseName(text).rdns.length > 0;
  } catch (error) {
    if (isRefusal(error, 'ERR_NAME_MALFORMED')) return false;
    throw error;
  }
}
