import { z } from 'zod';
import type { TppRegistry } from '../../../tpp-registry/index.ts';
import type { Clock } from '../../clock.ts';
import type { RegisterHistory } from '../activity/register-history.ts';
import type { FollowedTrustProfile } from '../../tpp/trust-files.ts';
import type { Revocation } from '../../x509/revocation/revocation.ts';
import { none, reading } from './contract.ts';
import { instantField } from './fields.ts';

export interface RegisterParts {
  readonly registry: TppRegistry;
  readonly trust: readonly Pick<FollowedTrustProfile, 'current'>[];
  readonly revocation: Pick<Revocation, 'crls'>;
  /** The changes of the last imports, and refused copies. */
  readonly registers: Pick<RegisterHistory, 'report'>;
  readonly clock: Clock;
}

const factsSchema = z
  .object({ status: z.string(), roles: z.array(z.string()), countries: z.array(z.string()) })
  .meta({ id: 'TppFacts' });
const differenceSchema = z
  .object({
    source: z.string(),
    before: instantField,
    after: instantField,
    added: z.int(),
    removed: z.int(),
    changed: z.int(),
    tpps: z
      .array(
        z.object({
          authorizationNumber: z.string(),
          legalName: z.string(),
          before: factsSchema.optional(),
          after: factsSchema.optional(),
        }),
      )
      .meta({ description: 'The first 100: without `before` a new TPP, without `after` one that is gone.' }),
  })
  .meta({ id: 'ImportDifference' });

const age = z.int().meta({ description: 'Seconds since the copy was fetched or read.' });
const registersSchema = z
  .object({
    sources: z
      .array(z.object({ name: z.string(), fetchedAt: instantField, ageSeconds: age, entries: z.int() }))
      .meta({ description: 'Of the registry of TPPs.' }),
    trust: z
      .array(
        z.object({
          profile: z.string(),
          anchors: z.int().meta({ description: 'Certificates of CAs that count now.' }),
          lists: z.array(
            z.object({
              territory: z.string(),
              fetchedAt: instantField,
              ageSeconds: age,
              nextUpdate: instantField.optional(),
              isOverdue: z
                .boolean()
                .meta({ description: 'Whether the list should have been followed by another.' }),
            }),
          ),
        }),
      )
      .meta({ description: 'The trust profiles, with their trusted lists.' }),
    differences: z.array(differenceSchema).meta({
      description:
        'For each source of up to 10,000 entries, the last import that changed status, roles or countries of a TPP.',
    }),
    refusals: z
      .array(z.object({ source: z.string(), at: instantField, code: z.string(), problem: z.string() }))
      .meta({ description: 'The last ten copies of two weeks that could not be fetched, or were bad.' }),
    crls: z
      .array(
        z.object({
          issuer: z.string(),
          entries: z.int(),
          nextUpdate: instantField.optional(),
          isOverdue: z.boolean(),
        }),
      )
      .meta({ description: 'Certificate revocation lists in the memory of the process that answers.' }),
  })
  .meta({ id: 'Registers' });
type RegistersView = Omit<z.infer<typeof registersSchema>, 'differences' | 'refusals'>;

/** The registers and lists that decisions are made by. */
export function registerOperations(parts: RegisterParts) {
  return {
    readRegisters: reading(
      {
        part: 'registers',
        operationId: 'readRegisters',
        path: '/v1/registers',
        right: 'view',
        summary: 'Registry, trusted lists and revocation lists: their age and size',
        params: none,
        answer: registersSchema,
      },
      async () => ({ ...stateOf(parts), ...(await parts.registers.report()) }),
    ),
  };
}

function stateOf({ registry, trust, revocation, clock }: RegisterParts): RegistersView {
  const now = clock.now();
  const ageSeconds = (at: Date) => Math.max(Math.floor((now.getTime() - at.getTime()) / 1000), 0);
  const end = (at: Date | undefined) => ({
    ...(at === undefined ? {} : { nextUpdate: at.toISOString() }),
    isOverdue: at !== undefined && at < now,
  });
  return {
    sources: (registry.sources?.() ?? []).map(({ name, fetchedAt, size }) => ({
      name,
      fetchedAt: fetchedAt.toISOString(),
      ageSeconds: ageSeconds(fetchedAt),
      entries: size,
    })),
    trust: trust.map(({ current }) => ({
      profile: current.preset,
      anchors: current.anchors.length,
      lists: (current.issuers?.lists ?? []).map(({ territory, fetchedAt, nextUpdate }) => ({
        territory,
        fetchedAt: fetchedAt.toISOString(),
        ageSeconds: ageSeconds(fetchedAt),
        ...end(nextUpdate),
      })),
    })),
    crls: revocation.crls.map(({ issuer, count, nextUpdate }) => ({
      issuer,
      entries: count,
      ...end(nextUpdate),
    })),
  };
}
