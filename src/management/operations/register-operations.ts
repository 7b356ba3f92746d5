import { z } from 'zod';
import type { TppRegistry } from '../../../tpp-registry/index.ts';
import type { Clock } from '../../clock.ts';
import type { FollowedTrustProfile } from '../../tpp/trust-files.ts';
import type { Revocation } from '../../x509/revocation/revocation.ts';
import { none, reading } from './contract.ts';
import { instantField } from './fields.ts';

export interface RegisterParts {
  readonly registry: TppRegistry;
  readonly trust: readonly Pick<FollowedTrustProfile, 'current'>[];
  readonly revocation: Pick<Revocation, 'crls'>;
  readonly clock: Clock;
}

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
export type RegistersView = z.infer<typeof registersSchema>;

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
      async () => stateOf(parts),
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
