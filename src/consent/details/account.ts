import { z } from 'zod';
import { shownText } from './members.ts';

/** ISO 13616: country, check digits, and the account number of that country. */
const IBAN = /^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$/;

/** Whether a text is an IBAN without spaces, by its form and its check digits (ISO 13616, ISO 7064 MOD 97-10). */
export function isIban(text: string): boolean {
  if (!IBAN.test(text)) return false;
  const check = Number(text.slice(2, 4));
  if (check < 2 || check > 98) return false;
  let remainder = 0;
  for (const character of text.slice(4) + text.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}

const ibanSchema = z.string().max(34).refine(isIban, {
  error: 'must be an IBAN without spaces, with right check digits',
});

/** An account, in one of four ways. `scheme` names a way of numbering accounts, such as `UK.OBIE.SortCodeAccountNumber`. */
export const accountSchema = z.union(
  [
    z.strictObject({ iban: ibanSchema }),
    z.strictObject({ bban: z.string().regex(/^[A-Za-z0-9]{1,30}$/) }),
    z.strictObject({ maskedPan: z.string().regex(/^[0-9*xX]{4,35}$/) }),
    z.strictObject({
      scheme: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
      identification: shownText(256),
    }),
  ],
  { error: 'must be {iban}, {bban}, {maskedPan} or {scheme, identification}, and nothing else' },
);
