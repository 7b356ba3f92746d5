import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import type { SeenCertificates } from '../../tpp/seen-certificates.ts';
import type { Activity } from '../activity/activity.ts';
import { none, reading } from './contract.ts';
import { daysUntil, instantField, tppField } from './fields.ts';

/** A part of the server, as its health has it. */
export interface ServerPart {
  readonly name: string;
  readonly problem?: string | undefined;
  readonly notice?: string | undefined;
}

export interface OverviewParts {
  readonly activity: Pick<Activity, 'report'>;
  readonly seen: Pick<SeenCertificates, 'list'>;
  readonly health: () => Promise<readonly ServerPart[]>;
  /** The certificates of this server, by the field of the configuration that names them. */
  readonly ownCertificates: Readonly<Record<string, { readonly secondsLeft: number } | undefined>>;
  readonly clock: Clock;
}

const DAY_SECONDS = 86_400;
const ENDING_DAYS = 60;
const MAX_ENDING = 20;
const MAX_RECENT = 50;

const refusalSchema = z
  .object({
    at: instantField,
    code: z.string(),
    event: z.string(),
    route: z.string().optional(),
    authorizationNumber: z.string().optional(),
    clientId: z.string().optional(),
    certificate: z.string().optional(),
    requestId: z.string().optional(),
  })
  .meta({ id: 'Refusal' });
const countSchema = z.object({ code: z.string(), count: z.int() });
const overviewSchema = z
  .object({
    tokens: z.int().meta({ description: 'Answers of the token endpoint with tokens, in the last hour.' }),
    refusals: z.int(),
    minutes: z
      .array(z.object({ at: instantField, tokens: z.int(), refusals: z.int() }))
      .meta({ description: 'The last sixty minutes of all processes, some seconds behind.' }),
    codes: z.array(countSchema).meta({ description: 'Refusals of the last hour, most first.' }),
    recent: z.array(refusalSchema),
    parts: z
      .array(z.object({ name: z.string(), problem: z.string().optional(), notice: z.string().optional() }))
      .meta({ description: 'Of the process that answers: what is not in order, or will not be.' }),
    ownCertificates: z.array(z.object({ name: z.string(), daysLeft: z.int() })),
    ending: z
      .array(
        z.object({
          authorizationNumber: z.string(),
          legalName: z.string(),
          thumbprint: z.string(),
          notAfter: instantField,
          daysLeft: z.int(),
        }),
      )
      .meta({ description: 'Certificates of TPPs that end within 60 days: the first 20.' }),
  })
  .meta({ id: 'Overview' });

/** The server at a glance. */
export function overviewOperations(parts: OverviewParts) {
  return {
    readOverview: reading(
      {
        part: 'overview',
        operationId: 'readOverview',
        path: '/v1/overview',
        right: 'view',
        summary: 'Tokens and refusals of the last hour, what is not in order, what ends soon',
        params: none,
        answer: overviewSchema,
      },
      async () => overviewOf(parts),
    ),
    listRefusals: reading(
      {
        part: 'overview',
        operationId: 'listRefusals',
        path: '/v1/refusals',
        right: 'view',
        summary: 'The last refusals of the last hour, of all TPPs or of one',
        params: none,
        query: z.strictObject({ tpp: tppField.optional() }),
        answer: z.object({ refusals: z.array(refusalSchema) }),
      },
      async ({ query: { tpp } }) => {
        const { recent } = await parts.activity.report();
        const found = recent.filter((one) => tpp === undefined || one.authorizationNumber === tpp);
        return { refusals: found.slice(0, MAX_RECENT) };
      },
    ),
  };
}

async function overviewOf({ activity, seen, health, ownCertificates, clock }: OverviewParts) {
  const now = clock.now();
  const [{ minutes, codes, recent }, certificates, all] = await Promise.all([
    activity.report(),
    seen.list(({ notAfter }) => daysUntil(notAfter, now) <= ENDING_DAYS),
    health(),
  ]);
  const ending = certificates
    .map(({ authorizationNumber, legalName, thumbprint, notAfter }) => ({
      ...{ authorizationNumber, legalName, thumbprint },
      notAfter: notAfter.toISOString(),
      daysLeft: daysUntil(notAfter, now),
    }))
    .slice(0, MAX_ENDING);
  return {
    tokens: minutes.reduce((sum, { tokens }) => sum + tokens, 0),
    refusals: minutes.reduce((sum, { refusals }) => sum + refusals, 0),
    minutes: minutes.map(({ at, ...counts }) => ({ at: at.toISOString(), ...counts })),
    codes: [...codes],
    recent: recent.slice(0, MAX_RECENT),
    parts: all.map(({ name, problem, notice }) => ({
      name,
      ...(problem === undefined ? {} : { problem }),
      ...(notice === undefined ? {} : { notice }),
    })),
    ownCertificates: Object.entries(ownCertificates).flatMap(([name, certificate]) =>
      certificate === undefined
        ? []
        : [{ name, daysLeft: Math.max(Math.floor(certificate.secondsLeft / DAY_SECONDS), 0) }],
    ),
    ending,
  };
}
