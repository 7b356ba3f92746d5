import { systemClock } from '../../../src/clock.ts';

/** What a TPP asks for, in the tests of the bank API. */
export function paymentOf(amount: string) {
  return {
    type: 'payment_initiation',
    instructedAmount: { currency: 'GBP', amount },
    creditorName: 'Example Shop',
    creditorAccount: { iban: 'GB33BUKB20201555555555' },
  };
}

export const PAYMENT = paymentOf('12.00');

/** An instant some hours from now. */
export function hour(count: number): string {
  return new Date(systemClock.now().getTime() + count * 3_600_000).toISOString();
}
