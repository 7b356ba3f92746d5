import { z } from 'zod';
import { accountSchema } from './account.ts';
import { actionsSchema, dateSchema, locationsSchema, momentOf, shownText } from './members.ts';

/** The kinds of data that a TPP can read. */
export const ACCOUNT_ACTIONS = Object.freeze([
  'list_accounts',
  'read_account_details',
  'read_balances',
  'read_transactions',
  'read_beneficiaries',
  'read_standing_orders',
  'read_direct_debits',
  'read_scheduled_payments',
  'read_statements',
  'read_party',
  'read_products',
  'read_offers',
] as const);

const MAX_ACCOUNTS = 100;
const MAX_PERMISSIONS = 60;

/**
 * Access to accounts (RFC 9396 §3, PSD2 article 67).
 *
 *     { "type": "account_information", "actions": ["list_accounts", "read_balances"], "validUntil": "2027-01-31" }
 */
export const accountInformationSchema = z
  .strictObject({
    type: z.literal('account_information'),
    actions: actionsSchema(ACCOUNT_ACTIONS),
    /** The codes of a market, as its own interface has them. */
    permissions: z
      .array(z.string().regex(/^[A-Za-z0-9_]{1,64}$/))
      .min(1)
      .max(MAX_PERMISSIONS)
      .optional(),
    accounts: z.array(accountSchema).min(1).max(MAX_ACCOUNTS).optional(),
    transactionsFrom: dateSchema.optional(),
    transactionsTo: dateSchema.optional(),
    validUntil: dateSchema.optional(),
    recurring: z.boolean().optional(),
    frequencyPerDay: z.int().min(1).max(10_000).optional(),
    purpose: shownText(140).optional(),
    locations: locationsSchema.optional(),
  })
  .superRefine(({ transactionsFrom, transactionsTo, recurring, frequencyPerDay }, context) => {
    const fault = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (
      transactionsFrom !== undefined &&
      transactionsTo !== undefined &&
      momentOf(transactionsFrom) > momentOf(transactionsTo)
    ) {
      fault('transactionsTo', 'must not be before transactionsFrom');
    }
    if (recurring === false && (frequencyPerDay ?? 1) > 1) {
      fault('frequencyPerDay', 'must be 1 for an access that does not recur');
    }
  });

/**
 * The answer, yes or no, whether an amount is there (PSD2 article 65).
 *
 *     { "type": "funds_confirmation", "account": { "iban": "DE89370400440532013000" } }
 */
export const fundsConfirmationSchema = z.strictObject({
  type: z.literal('funds_confirmation'),
  account: accountSchema,
  validUntil: dateSchema.optional(),
  locations: locationsSchema.optional(),
});
