import { z } from 'zod';

/** Every control, format, private and unassigned character: each can make a text look like another one. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/u;

/** A text that is shown to the customer as it is: no character that nothing shows, and no space at its ends. */
export function shownText(maxCharacters: number) {
  return z
    .string()
    .min(1)
    .max(maxCharacters)
    .refine((text) => text.trim() === text, { error: 'must not begin or end with a space' })
    .refine((text) => !UNSEEN.test(text), { error: 'must not have characters that are not shown' });
}

/** A day, or a moment with its offset from UTC. */
export const dateSchema = z
  .string()
  .max(40)
  .refine((text) => !Number.isNaN(momentOf(text)), {
    error: 'must be a date such as 2027-01-31, or a time such as 2027-01-31T23:59:59Z',
  });

const FORM = z.union([z.iso.date(), z.iso.datetime({ offset: true })]);
const DAY_LENGTH = '2027-01-31'.length;

/** The first moment of a date, in milliseconds; NaN for a text that is no date. */
export function momentOf(text: string): number {
  return FORM.safeParse(text).success ? Date.parse(text) : Number.NaN;
}

/** The end of a date that is included: of a day its last moment. */
export function endOf(text: string): Date {
  const moment = momentOf(text);
  return new Date(text.length === DAY_LENGTH ? moment + 86_400_000 - 1 : moment);
}

/** The resource servers where the access counts (RFC 9396 §2.2). */
export const locationsSchema = z
  .array(z.url({ protocol: /^https$/, error: 'must be an https URL' }).max(512))
  .min(1)
  .max(10);

/** A list of names, each once. */
export function actionsSchema<const Names extends readonly [string, ...string[]]>(names: Names) {
  return z
    .array(z.enum(names))
    .min(1)
    .max(names.length)
    .refine((list) => new Set(list).size === list.length, { error: 'must name each action once' });
}
