import { z } from 'zod';
import type { TppRecord, TppRegistry } from '../../../tpp-registry/index.ts';
import type { Clients } from '../../authorization-server/clients/clients.ts';
import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import type { SeenCertificates, SeenFacts } from '../../tpp/seen-certificates.ts';
import { type BlockParts, blockViewSchema, viewOfStored } from './block-operations.ts';
import { clientViewSchema, viewOf, viewOfNamed } from './client-views.ts';
import { none, reading } from './contract.ts';
import { daysUntil, instantField, nextField, pageFields, tppField } from './fields.ts';

export interface TppParts extends Pick<BlockParts, 'blocks'> {
  readonly registry: TppRegistry;
  readonly authorisationStatus: AuthorisationStatus;
  readonly seen: Pick<SeenCertificates, 'list'>;
  readonly clients: Pick<Clients, 'namedOfTpp' | 'page'>;
  readonly clock: Clock;
}

/** A longer registry is not listed: each TPP of it is found by its number. */
const MAX_LISTED = 5000;
const MAX_CLIENTS = 100;

const tppSchema = z
  .object({
    authorizationNumber: z.string(),
    legalName: z.string(),
    tradingName: z.string().optional(),
    nca: z.string().optional(),
    country: z.string().optional(),
    status: z
      .enum(['active', 'suspended', 'withdrawn', 'unregistered'])
      .meta({ description: 'In the registry.' }),
    roles: z.array(z.string()),
    passportedCountries: z.array(z.string()),
    mayAct: z.boolean().meta({ description: 'Whether the TPP may act here now.' }),
    refusal: z
      .object({ code: z.string(), rule: z.string() })
      .optional()
      .meta({ description: 'Why the TPP may not act here.' }),
    isBlocked: z.boolean(),
    seenAt: instantField.optional().meta({ description: 'The day of its last use, of 90 days.' }),
    certificateEnd: instantField
      .optional()
      .meta({ description: 'Of the certificate in use that ends last.' }),
    daysLeft: z.int().optional().meta({ description: 'Until that end; 0: it has passed.' }),
  })
  .meta({ id: 'Tpp' });
export type TppView = z.infer<typeof tppSchema>;

const tppDetailSchema = tppSchema
  .extend({
    statusSince: instantField.optional(),
    statusReason: z.string().optional(),
    sources: z
      .array(z.string())
      .meta({ description: 'A line for each register that knows the TPP: its statement and evidence.' }),
    certificates: z.array(
      z.object({ thumbprint: z.string(), seenAt: instantField, notAfter: instantField, daysLeft: z.int() }),
    ),
    clients: z.array(clientViewSchema).meta({ description: 'At most a hundred of files, and of the store.' }),
    blocks: z.array(blockViewSchema).meta({ description: 'Of the store.' }),
  })
  .meta({ id: 'TppDetail' });
export type TppDetailView = z.infer<typeof tppDetailSchema>;

/** TPPs, and everything that this server knows of them. */
export function tppOperations(parts: TppParts) {
  return {
    listTpps: reading(
      {
        part: 'tpps',
        operationId: 'listTpps',
        path: '/v1/tpps',
        right: 'view',
        summary:
          'TPPs whose certificates were seen, and those of a registry of up to 5,000 entries; any other by its number as `query`',
        params: none,
        query: z.strictObject({
          ...pageFields,
          query: z
            .string()
            .trim()
            .min(1)
            .max(128)
            .optional()
            .meta({ description: 'A part of number or name.' }),
        }),
        answer: z.object({ tpps: z.array(tppSchema), total: z.int(), next: nextField }),
      },
      ({ query }) => listed(parts, query),
    ),
    readTpp: reading(
      {
        part: 'tpps',
        operationId: 'readTpp',
        path: '/v1/tpps/{number}',
        right: 'view',
        summary: 'One TPP: registers, roles, countries, certificates, clients, blocks',
        params: z.strictObject({ number: tppField }),
        query: z.strictObject({
          nca: z.string().min(1).max(32).optional().meta({
            description: 'The competent authority, where two have given the same number.',
          }),
        }),
        answer: tppDetailSchema,
        refusals: ['ERR_MANAGEMENT_NOT_FOUND'],
      },
      ({ params: { number }, query: { nca } }) => detailed(parts, number, nca),
    ),
  };
}

async function listed(
  parts: TppParts,
  { query, after, limit }: { query?: string | undefined; after?: string | undefined; limit: number },
) {
  const { registry, blocks } = parts;
  const seen = Map.groupBy(await parts.seen.list(), ({ authorizationNumber }) => authorizationNumber);
  const size = (registry.sources?.() ?? []).reduce((sum, source) => sum + source.size, 0);
  const records = size > MAX_LISTED ? [] : registry.list();
  const names = new Map(records.map((one) => [one.authorizationNumber, one.legalName]));
  for (const [number, [first]] of seen) if (!names.has(number)) names.set(number, first?.legalName ?? '');
  for (const { block } of blocks.list()) {
    if (block.kind === 'tpp' && !names.has(block.authorizationNumber))
      names.set(block.authorizationNumber, '');
  }
  const named = query === undefined ? undefined : findRecord(parts, query);
  if (named !== undefined) names.set(named.authorizationNumber, named.legalName);
  const wanted = query?.toLowerCase();
  const found = [...names]
    .filter(([number, name]) => wanted === undefined || `${number} ${name}`.toLowerCase().includes(wanted))
    .map(([number]) => number)
    .toSorted();
  const rest = after === undefined ? found : found.filter((number) => number > after);
  const page = rest.slice(0, limit);
  const next = rest.length > limit ? page.at(-1) : undefined;
  const tpps = page.map((number) => viewOfTpp(parts, { number }, seen.get(number) ?? []));
  return { tpps, total: found.length, ...(next === undefined ? {} : { next }) };
}

async function detailed(parts: TppParts, number: string, nca: string | undefined): Promise<TppDetailView> {
  const { registry, clients, blocks, clock } = parts;
  const seen = await parts.seen.list(({ authorizationNumber }) => authorizationNumber === number);
  const record = findRecord(parts, number, nca);
  const ofStore = await clients.page({ authorizationNumber: number }, { limit: MAX_CLIENTS });
  const ofFiles = clients.namedOfTpp(number, MAX_CLIENTS);
  const own = blocks
    .list()
    .filter(({ block }) => block.kind === 'tpp' && block.authorizationNumber === number);
  const isKnown = [seen, ofStore.clients, ofFiles, own].some(({ length }) => length > 0);
  if (record === undefined && !isKnown) {
    throw new OpenBankingError('ERR_MANAGEMENT_NOT_FOUND', { kind: 'tpp', id: number });
  }
  return {
    ...viewOfTpp(parts, { number, nca }, seen),
    ...(record === undefined ? {} : { statusSince: record.statusSince.toISOString() }),
    ...(record?.statusReason === undefined ? {} : { statusReason: record.statusReason }),
    sources: [...(registry.explain?.(number, nca) ?? [])],
    certificates: seen.map(({ thumbprint, seenAt, notAfter }) => ({
      thumbprint,
      seenAt: seenAt.toISOString(),
      notAfter: notAfter.toISOString(),
      daysLeft: daysUntil(notAfter, clock.now()),
    })),
    clients: [...ofFiles.map(viewOfNamed), ...ofStore.clients.map(viewOf)],
    blocks: own.map(viewOfStored),
  };
}

function viewOfTpp(
  parts: TppParts,
  { number, nca }: { readonly number: string; readonly nca?: string | undefined },
  seen: readonly SeenFacts[],
): TppView {
  const record = findRecord(parts, number, nca);
  const decided = parts.authorisationStatus.decide({ authorizationNumber: number, nca });
  const refusal = decided instanceof OpenBankingError ? decided : undefined;
  // By the end: the last of them is the newest.
  const last = seen.at(-1);
  const seenAt = seen.map((one) => one.seenAt.getTime());
  return {
    authorizationNumber: number,
    legalName: record?.legalName ?? last?.legalName ?? number,
    ...(record?.tradingName === undefined ? {} : { tradingName: record.tradingName }),
    ...(record === undefined ? {} : { nca: record.nca.id, country: record.country }),
    status: record?.status ?? 'unregistered',
    roles: [...(record?.roles ?? [])],
    passportedCountries: [...(record?.passportedCountries ?? [])],
    mayAct: refusal === undefined,
    ...(refusal === undefined ? {} : { refusal: { code: refusal.code, rule: refusal.rule } }),
    isBlocked: isRefusal(refusal, 'ERR_TPP_BLOCKED'),
    ...(last === undefined
      ? {}
      : {
          seenAt: new Date(Math.max(...seenAt)).toISOString(),
          certificateEnd: last.notAfter.toISOString(),
          daysLeft: daysUntil(last.notAfter, parts.clock.now()),
        }),
  };
}

/** Undefined also where the registers cannot name one TPP, which the refusal says. */
function findRecord({ registry }: TppParts, number: string, nca?: string): TppRecord | undefined {
  try {
    return registry.find(number, nca);
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}
