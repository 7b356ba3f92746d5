import type { Amount, LinkedPayment } from '../bank/strong-authentication.ts';

type Detail = Readonly<Record<string, unknown>> & { readonly type: string };

/** Amount and payee of each payment that is asked for, as the customer has to see them (RTS article 5(1)(a)). */
export function paymentsOf(details: readonly Detail[]): readonly LinkedPayment[] {
  return details.filter(({ type }) => type === 'payment_initiation').flatMap(paymentOf);
}

function paymentOf({ instructedAmount, limits, creditorName, creditorAccount }: Detail): LinkedPayment[] {
  // A variable recurring payment has no amount yet: the customer approves the highest.
  const highest = (limits as { readonly maximumIndividualAmount?: unknown } | undefined)
    ?.maximumIndividualAmount;
  const amount = amountOf(instructedAmount) ?? amountOf(highest);
  if (amount === undefined) return [];
  return [{ amount, payee: String(creditorName ?? ''), payeeAccount: accountOf(creditorAccount) }];
}

function amountOf(value: unknown): Amount | undefined {
  const { currency, amount } = (value ?? {}) as { readonly currency?: unknown; readonly amount?: unknown };
  return typeof currency === 'string' && typeof amount === 'string' ? { currency, amount } : undefined;
}

function accountOf(value: unknown): string | undefined {
  const account = (value ?? {}) as Readonly<Record<string, unknown>>;
  const named = account.iban ?? account.bban ?? account.maskedPan ?? account.identification;
  return typeof named === 'string' ? named : undefined;
}
