/** An account as a request names it: one of its members is there. */
export interface NamedAccount {
  readonly iban?: string | undefined;
  readonly bban?: string | undefined;
  readonly maskedPan?: string | undefined;
  readonly scheme?: string | undefined;
  readonly identification?: string | undefined;
}

const VISIBLE = 4;
const MASK = '••••';

/** An account of another party, which the customer has to compare: in full and in groups. */
export function accountInFull(account: NamedAccount): string {
  const number = numberOf(account);
  if (account.maskedPan !== undefined || isCard(account)) return masked(number);
  if (account.iban !== undefined || /iban$/i.test(account.scheme ?? '')) return grouped(number);
  // UK: six digits of the sort code, eight of the account.
  if (/sortcode/i.test(account.scheme ?? '') && /^\d{14}$/.test(number)) {
    return `${number.slice(0, 2)}-${number.slice(2, 4)}-${number.slice(4, 6)} ${number.slice(6)}`;
  }
  return number;
}

/** An account of the customer: enough to know it again, and no more. */
export function accountMasked(account: NamedAccount): string {
  return masked(numberOf(account));
}

function numberOf({ iban, bban, maskedPan, identification }: NamedAccount): string {
  return (iban ?? bban ?? maskedPan ?? identification ?? '').trim();
}

function isCard({ scheme = '' }: NamedAccount): boolean {
  return /pan$/i.test(scheme);
}

function masked(number: string): string {
  const characters = [...number.replace(/\s/g, '')];
  // Of a short number, the last four would be nearly all of it.
  const visible = characters.length > 2 * VISIBLE ? VISIBLE : Math.floor(characters.length / 2);
  return `${MASK} ${characters.slice(characters.length - visible).join('')}`;
}

/** In groups of four (ISO 13616). */
function grouped(number: string): string {
  return number.replace(/\s/g, '').replace(/(.{4})(?=.)/g, '$1 ');
}
