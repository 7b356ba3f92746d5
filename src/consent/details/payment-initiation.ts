import { z } from 'zod';
import { accountSchema } from './account.ts';
import { amountSchema } from './amount.ts';
import { actionsSchema, dateSchema, locationsSchema, momentOf, shownText } from './members.ts';

/** The longest texts of ISO 20022. */
const NAME = 140;
const REMITTANCE = 140;
const END_TO_END = 35;
const MAX_PERIODS = 6;

const frequency = z
  .strictObject({
    interval: z.enum([
      'daily',
      'weekly',
      'every-two-weeks',
      'monthly',
      'every-two-months',
      'quarterly',
      'half-yearly',
      'yearly',
    ]),
    firstDate: z.iso.date(),
    lastDate: z.iso.date().optional(),
  })
  .refine(({ firstDate, lastDate }) => lastDate === undefined || firstDate <= lastDate, {
    path: ['lastDate'],
    error: 'must not be before firstDate',
  });

const limits = z
  .strictObject({
    maximumIndividualAmount: amountSchema,
    periodic: z
      .array(
        z.strictObject({
          period: z.enum(['day', 'week', 'two-weeks', 'month', 'half-year', 'year']),
          amount: amountSchema,
        }),
      )
      .min(1)
      .max(MAX_PERIODS),
    validFrom: dateSchema.optional(),
    validTo: dateSchema.optional(),
  })
  .superRefine(({ maximumIndividualAmount: { currency }, periodic, validFrom, validTo }, context) => {
    const fault = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (new Set(periodic.map(({ period }) => period)).size !== periodic.length) {
      fault('periodic', 'must name each period once');
    }
    if (periodic.some(({ amount }) => amount.currency !== currency)) {
      fault('periodic', 'must be of the currency of maximumIndividualAmount');
    }
    if (validFrom !== undefined && validTo !== undefined && momentOf(validFrom) > momentOf(validTo)) {
      fault('validTo', 'must not be before validFrom');
    }
  });

/** The members that a kind of payment has, and that every other kind must not have. */
const OF_KIND = {
  single: ['instructedAmount'],
  'standing-order': ['instructedAmount', 'frequency'],
  'variable-recurring': ['limits'],
} as const;

/**
 * A payment (RFC 9396 §3, PSD2 article 66): one, a standing order, or payments within limits.
 *
 *     { "type": "payment_initiation", "instructedAmount": { "currency": "EUR", "amount": "123.50" },
 *       "creditorName": "Merchant A", "creditorAccount": { "iban": "DE02100100109307118603" } }
 */
export const paymentInitiationSchema = z
  .strictObject({
    type: z.literal('payment_initiation'),
    kind: z.enum(['single', 'standing-order', 'variable-recurring']).optional(),
    instructedAmount: amountSchema.optional(),
    creditorName: shownText(NAME),
    creditorAccount: accountSchema,
    /** BIC (ISO 9362) or the sort code of a country. */
    creditorAgent: z
      .string()
      .regex(/^[A-Z0-9]{4,11}$/)
      .optional(),
    debtorAccount: accountSchema.optional(),
    remittanceInformationUnstructured: shownText(REMITTANCE).optional(),
    remittanceInformationStructured: shownText(REMITTANCE).optional(),
    endToEndIdentification: shownText(END_TO_END).optional(),
    requestedExecutionDate: z.iso.date().optional(),
    frequency: frequency.optional(),
    limits: limits.optional(),
    actions: actionsSchema(['initiate', 'status', 'cancel']).optional(),
    locations: locationsSchema.optional(),
  })
  .superRefine((payment, context) => {
    const { kind = 'single' } = payment;
    const own: readonly string[] = OF_KIND[kind];
    for (const member of ['instructedAmount', 'frequency', 'limits'] as const) {
      if (own.includes(member) === (payment[member] !== undefined)) continue;
      const message = own.includes(member) ? `is required for ${kind}` : `is not a member of ${kind}`;
      context.addIssue({ code: 'custom', path: [member], message });
    }
    if (kind !== 'single' && payment.requestedExecutionDate !== undefined) {
      const message = `is not a member of ${kind}`;
      context.addIssue({ code: 'custom', path: ['requestedExecutionDate'], message });
    }
  });
