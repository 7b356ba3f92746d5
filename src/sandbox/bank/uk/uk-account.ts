import { z } from 'zod';

const IBAN_SCHEME = 'UK.OBIE.IBAN';

/** An account of a request, by one of the two schemes of a payment in pounds. */
export const ukAccount = z.strictObject({
  SchemeName: z.enum([IBAN_SCHEME, 'UK.OBIE.SortCodeAccountNumber']),
  Identification: z.string().min(1).max(34),
  Name: z.string().min(1).max(140).optional(),
});

/** The same account as an authorization detail names it. */
export function detailAccount({
  SchemeName: scheme,
  Identification: identification,
}: z.infer<typeof ukAccount>): { readonly [member: string]: string } {
  return scheme === IBAN_SCHEME ? { iban: identification } : { scheme, identification };
}
