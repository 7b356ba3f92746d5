import { BUILT_IN_MESSAGES, DEFAULT_REGIONS, type Messages } from './messages.ts';
import { Words } from './words.ts';

export interface LanguagesOptions {
  /** Of a customer who prefers none of the offered languages, such as `de-AT`. */
  readonly defaultLocale: string;
  /** The languages that are offered (ISO 639), with their sentences. */
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
    const { language } = locale;
    const { messages, ownMessages, defaultLocale, timeZone } = this.#options;
    if (!Object.hasOwn(messages, language)) return undefined;
    const ofBank = localeOf(defaultLocale);
    const region =
      locale.region ??
      (ofBank?.language === language ? ofBank.region : undefined) ??
      DEFAULT_REGIONS[language];
    const tag = region === undefined ? language : `${language}-${region}`;
    const known = this.#known.get(tag);
    if (known !== undefined) return known;
    const ofLanguage = messages[language];
    if (ofLanguage === undefined) return undefined;
    const own = ownMessages?.[language];
    const words = new Words({ language, tag, timeZone, messages: ofLanguage, ownMessages: own });
    if (this.#known.size < MAX_KNOWN_WORDS) this.#known.set(tag, words);
    return words;
  }
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
