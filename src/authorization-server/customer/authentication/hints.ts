/** As long as a customer name may be. */
const LOGIN_HINT = /^[^\p{C}]{1,128}$/u;
/** RFC 5646 §2.1, as far as languages have names in use. */
const LOCALE = /^[a-z]{2,8}(-[a-z0-9]{1,8}){0,4}$/i;
const MAX_LOCALES = 8;

/** The `login_hint` of a request, where it can be the name of a customer; undefined for any other. */
export function loginHintOf({ login_hint: hint }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof hint === 'string' && LOGIN_HINT.test(hint) ? hint : undefined;
}

/** The `ui_locales` of a request, without those that are no language tags. */
export function uiLocalesOf({ ui_locales: locales }: Readonly<Record<string, unknown>>): readonly string[] {
  if (typeof locales !== 'string') return [];
  return locales
    .split(' ')
    .filter((one) => LOCALE.test(one))
    .slice(0, MAX_LOCALES);
}
