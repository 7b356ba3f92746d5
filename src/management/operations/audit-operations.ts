import { z } from 'zod';
import type { AuditSearch } from '../../audit/reading/audit-search.ts';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { none, reading } from './contract.ts';
import { clientIdField, instantField, nextField, pageFields, tppField } from './fields.ts';

export interface AuditParts {
  /** Absent where the configuration has no audit record. */
  readonly auditSearch: Pick<AuditSearch, 'find'> | undefined;
  readonly clock: Clock;
}

const DAY_MILLISECONDS = 86_400_000;

const auditPageSchema = z
  .object({
    entries: z.array(
      z.object({
        at: instantField,
        event: z.string().meta({ description: 'One of docs/events.md.' }),
        process: z.string(),
        sequence: z.int(),
        members: z.record(z.string(), z.unknown()).meta({ description: 'Every member of the line.' }),
      }),
    ),
    isComplete: z
      .boolean()
      .meta({ description: 'False: older parts were left out; a shorter time finds their lines.' }),
    next: nextField,
  })
  .meta({ id: 'AuditPage' });

/** The audit record, searched. */
export function auditOperations({ auditSearch, clock }: AuditParts) {
  return {
    searchAudit: reading(
      {
        part: 'audit',
        operationId: 'searchAudit',
        path: '/v1/audit',
        right: 'view',
        summary: 'Lines of the audit record, the newest first; by default of the last day',
        params: none,
        query: z.strictObject({
          ...pageFields,
          tpp: tppField.optional(),
          client: clientIdField.optional(),
          event: z
            .string()
            .regex(/^[\w.-]{1,64}$/)
            .optional()
            .meta({
              description: 'A name of docs/events.md, or the beginning of names up to a dot: `token.`',
            }),
          from: instantField.optional(),
          to: instantField.optional(),
        }),
        answer: auditPageSchema,
        refusals: ['ERR_MANAGEMENT_NOT_FOUND'],
      },
      async ({ query: { from, to, ...query } }) => {
        if (auditSearch === undefined) {
          throw new OpenBankingError('ERR_MANAGEMENT_NOT_FOUND', {
            kind: 'audit',
            id: 'the configuration has none',
          });
        }
        const end = to === undefined ? clock.now() : new Date(to);
        const start = from === undefined ? new Date(end.getTime() - DAY_MILLISECONDS) : new Date(from);
        const page = await auditSearch.find({ ...query, from: start, to: end });
        return { ...page, entries: page.entries.map((one) => ({ ...one, members: { ...one.members } })) };
      },
    ),
  };
}
