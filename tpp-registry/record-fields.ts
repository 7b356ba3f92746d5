import { z } from 'zod';

/** Visible text: two texts that look the same must not be two identities. */
export const textField = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\p{Cf}]*$/u, 'must not hold control or formatting characters');

/** A day, or an instant to the second in UTC, of the calendar. */
export const dayField = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?$/, 'must be a date such as 2026-01-31')
  .transform((value, context) => {
    const date = new Date(value);
    if (Number.isNaN(date.getTime()) || !date.toISOString().startsWith(value.slice(0, 10))) {
      context.addIssue({ code: 'custom', message: 'is not a day of the calendar' });
      return z.NEVER;
    }
    return date;
  });
