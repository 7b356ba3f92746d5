import { BUILT_IN_MESSAGES, DEFAULT_REGIONS, type Messages } from './messages.ts';
import { Words } from './words.ts';

export interface LanguagesOptions {
  /** Of a customer who prefers none of the offered languages, such as `de-AT`. */
  readonly defaultLocale: string;
  /** The languages that are offered, such as `pt`, and variants of a region, such as `pt-BR`, with their sentences. */
  readonly messages: Readonly<Record<string, Messages>>;
  /** The bank's sentences for its own scopes, types and permissions, by language and name. */
  readonly ownMessages?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined;
  /** IANA time zone of the dates on the pages. */
  readonly timeZone: string;
}

/** The languages that a customer prefers. */
export interface PreferredLanguages {
  /** `ui_locales` of the request, the first most (RFC 5646): these come before the browser's. */
  readonly uiLocales?: readonly string[] | undefined;
  /** The Accept-Language field of the browser. */
  readonly acceptLanguage?: string | undefined;
}

const MAX_PREFERENCES = 16;
const MAX_KNOWN_WORDS = 200;
const DEFAULTS: LanguagesOptions = {
  defaultLocale: 'en-GB',
  messages: BUILT_IN_MESSAGES,
  timeZone: 'UTC',
};

/** Which language a customer reads: `ui_locales`, then Accept-Language, then the default of the bank. */
export class Languages {
  readonly #options: LanguagesOptions;
  readonly #known = new Map<string, Words>();

  constructor(options: Partial<LanguagesOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** The languages on offer, for discovery. */
  get offered(): readonly string[] {
    return Object.keys(this.#options.messages);
  }

  /** The words of the first preferred language that is offered, in the formats of its region. */
  preferred({ uiLocales = [], acceptLanguage = '' }: PreferredLanguages): Words {
    const preferences = [...uiLocales.slice(0, MAX_PREFERENCES), ...acceptedLanguages(acceptLanguage)];
    for (const preference of preferences) {
      const words = this.#find(preference);
      if (words !== undefined) return words;
    }
    return this.default;
  }

  get default(): Words {
    const words = this.#find(this.#options.defaultLocale);
    if (words === undefined) throw new TypeError(`there are no words for ${this.#options.defaultLocale}`);
    return words;
  }

  #find(preference: string): Words | undefined {
    const locale = localeOf(preference);
    if (locale === undefined) return undefined;
    const tag = this.#tagOf(locale);
    const known = this.#known.get(tag);
    if (known !== undefined) return known;
    const { language } = locale;
    const { messages, ownMessages, timeZone } = this.#options;
    const sentences = memberOf(messages, tag) ?? memberOf(messages, language);
    if (sentences === undefined) return undefined;
    const own = { ...memberOf(ownMessages, language), ...memberOf(ownMessages, tag) };
    const words = new Words({ language, tag, timeZone, messages: sentences, ownMessages: own });
    if (this.#known.size < MAX_KNOWN_WORDS) this.#known.set(tag, words);
    return words;
  }

  /** With the region of the bank, or the usual one, where the customer names none. */
  #tagOf({ language, region }: Locale): string {
    const ofBank = localeOf(this.#options.defaultLocale);
    const usual = ofBank?.language === language ? ofBank.region : undefined;
    const known = region ?? usual ?? DEFAULT_REGIONS[language];
    return known === undefined ? language : `${language}-${known}`;
  }
}

interface Locale {
  readonly language: string;
  readonly region?: string | undefined;
}

function memberOf<Value>(
  record: Readonly<Record<string, Value>> | undefined,
  name: string,
): Value | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}

/** ISO 639, of a tag of RFC 5646. */
export function languageOf(tag: string): string | undefined {
  return localeOf(tag)?.language;
}

/** Language and region of a tag. Scripts and extensions are left out: they would change digits and calendars. */
function localeOf(
  tag: string,
): { readonly language: string; readonly region?: string | undefined } | undefined {
  try {
    const { language, region } = new Intl.Locale(tag);
    return { language, region };
  } catch {
    return undefined;
  }
}

/** The languages of the field, the preferred first (RFC 9110 §12.5.4). */
function acceptedLanguages(field: string): readonly string[] {
  const ranges = field.split(',', MAX_PREFERENCES).map((range) => {
    const [tag = '', ...parameters] = range.split(';').map((one) => one.trim());
    const weight = parameters.find((one) => /^q=/i.test(one))?.slice(2);
    return { tag, weight: weight === undefined ? 1 : Number(weight) };
  });
  return ranges
    .filter(({ weight }) => weight > 0)
    .toSorted((a, b) => b.weight - a.weight)
    .map(({ tag }) => tag);
}
