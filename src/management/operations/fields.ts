import { z } from 'zod';

/** Fields that several operations have. */
export const instantField = z.iso.datetime({ offset: true }).meta({ description: 'An instant (RFC 3339).' });

export const pageFields = {
  after: z.string().min(1).max(512).optional().meta({ description: 'The `next` of the page before.' }),
  limit: z.coerce.number().int().min(1).max(100).default(50).meta({ description: 'Entries of a page.' }),
};

export const nextField = z
  .string()
  .optional()
  .meta({ description: 'Where the next page begins; absent after the last.' });

/** An organizationIdentifier, or the number of another register. */
export const tppField = z
  .string()
  .min(1)
  .max(128)
  .meta({ description: 'The organizationIdentifier of a TPP (TS 119 495 clause 5.2.1).' });

export const clientIdField = z.string().min(1).max(128);

export function afterOf(page: { readonly after?: string | undefined; readonly limit: number }) {
  return { limit: page.limit, ...(page.after === undefined ? {} : { after: page.after }) };
}

/** Days until an instant, rounded up; 0 when it has passed. */
export function daysUntil(end: Date, now: Date): number {
  return Math.max(Math.ceil((end.getTime() - now.getTime()) / 86_400_000), 0);
}
