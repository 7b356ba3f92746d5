import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { FeedPage } from '../../../consent/change-feed.ts';
import type { Consents } from '../../../consent/consents.ts';
import { consentEventSchema } from './consent-schemas.ts';
import { type Operation, operation } from '../contract.ts';
import { NOTHING } from './fields.ts';

const MAX_PAGE = 500;
const MAX_WAIT_SECONDS = 25;
const LOOK_MILLISECONDS = 500;
/** Callers that wait at the same time, in each process: further ones are answered at once. */
const MAX_WAITING = 32;

const READ_EVENTS = {
  part: 'events',
  status: 200,
  isIdempotent: false,
  method: 'get',
  path: '/v1/events',
  operationId: 'readEvents',
  summary: 'The changes of all consents in their order, of the last 30 days',
  params: NOTHING,
  query: z.strictObject({
    after: z.coerce
      .number()
      .int()
      .min(0)
      .default(0)
      .meta({ description: 'The `next` of the page before; 0 for the first page.' }),
    limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
    waitSeconds: z.coerce.number().int().min(0).max(MAX_WAIT_SECONDS).default(0).meta({
      description: 'How long to wait for a change where there is none yet.',
    }),
  }),
  body: NOTHING,
  answer: z
    .object({
      events: z.array(consentEventSchema),
      next: z.int().meta({
        description: 'Read on after it, also where there is no event: keep it when the events are processed.',
      }),
    })
    .meta({ id: 'EventPage' }),
  refusals: [],
} as const;

/** The feed of changes. A reader keeps its own place: nothing is lost and nothing is acknowledged. */
export function eventOperations({
  consents,
}: {
  readonly consents: Pick<Consents, 'readChanges'>;
}): readonly Operation[] {
  let waiting = 0;
  const read = async (
    page: { readonly after: number; readonly limit: number },
    until: number,
    signal: AbortSignal,
  ) => {
    for (;;) {
      const found: FeedPage = await consents.readChanges(page);
      if (found.entries.length > 0 || performance.now() >= until || signal.aborted) return found;
      await sleep(LOOK_MILLISECONDS, undefined, { signal }).catch(() => undefined);
    }
  };
  return [
    operation(READ_EVENTS, async ({ query: { after, limit, waitSeconds }, signal }) => {
      const mayWait = waitSeconds > 0 && waiting < MAX_WAITING;
      const until = performance.now() + (mayWait ? waitSeconds * 1000 : 0);
      waiting += 1;
      try {
        const { entries, next } = await read({ after, limit }, until, signal);
        return { events: entries, next };
      } finally {
        waiting -= 1;
      }
    }),
  ];
}
