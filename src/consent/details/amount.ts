import { z } from 'zod';

/** Decimals of currencies that do not have two (ISO 4217, list one). */
const DECIMALS: Readonly<Record<string, number>> = {
  ...decimals(0, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'),
  ...decimals(3, 'BHD IQD JOD KWD LYD OMR TND'),
  ...decimals(4, 'CLF UYW'),
};
const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));
/** ISO 20022: at most 18 digits; no account has more before the point. */
const AMOUNT = /^(?:0|[1-9][0-9]{0,12})(?:\.([0-9]{1,4}))?$/;

function decimals(count: number, currencies: string): Record<string, number> {
  return Object.fromEntries(currencies.split(' ').map((currency) => [currency, count]));
}

/** The number of decimals of a currency. */
export function decimalsOf(currency: string): number {
  return DECIMALS[currency] ?? 2;
}

/**
 * An amount of money above zero, in exactly one way of writing: the customer approves this text, and no other.
 *
 *     { "currency": "EUR", "amount": "123.50" }
 */
export const amountSchema = z
  .strictObject({
    currency: z
      .string()
      .refine((currency) => CURRENCIES.has(currency), { error: 'must be a currency of ISO 4217' }),
    amount: z.string().max(20),
  })
  .superRefine(({ currency, amount }, context) => {
    const problem = findProblem(amount, decimalsOf(currency));
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['amount'], message: problem });
  });

function findProblem(amount: string, count: number): string | undefined {
  const match = AMOUNT.exec(amount);
  const example = count === 0 ? '123' : `123.${'5'.padEnd(count, '0')}`;
  if (match === null || (match[1] ?? '').length !== count) {
    return `must be digits with ${count} decimals, such as ${example}`;
  }
  return /[1-9]/.test(amount) ? undefined : 'must be above zero';
}
