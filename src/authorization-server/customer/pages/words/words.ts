import { type MessageName, type Messages, isMessageName, type ValuesOf } from './messages.ts';

export interface Amount {
  /** ISO 4217. */
  readonly currency: string;
  /** A decimal text. */
  readonly amount: string;
}

/**
 * A sentence of ours by its name, or a text of the bank as it is. JSON: the state of a step can keep it, for a page in
 * whatever language the customer reads.
 */
export type PageText =
  | string
  | { readonly sentence: MessageName; readonly values?: Readonly<Record<string, string>> | undefined };

interface WordsOptions {
  /** ISO 639. */
  readonly language: string;
  /** Language and region, for the formats of numbers and dates (RFC 5646). */
  readonly tag: string;
  readonly timeZone: string;
  readonly messages: Messages;
  /** Sentences of the bank for its own scopes, types and permissions, by name. */
  readonly ownMessages?: Readonly<Record<string, string>> | undefined;
}

const DECIMAL = /^-?\d+(\.\d+)?$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** The sentences and formats of one language and region. Texts are plain: templates escape them. */
export class Words {
  readonly language: string;
  readonly tag: string;
  readonly #options: WordsOptions;
  /** By style and time zone: a new format costs 58 µs, and each date of a page needs one. */
  readonly #formats = new Map<string, Intl.DateTimeFormat>();

  constructor(options: WordsOptions) {
    this.#options = options;
    this.language = options.language;
    this.tag = options.tag;
  }

  /** A sentence, with the values in its placeholders. */
  text<Name extends MessageName>(name: Name, ...[values]: ValuesOf<Name>): string {
    return filled(this.#options.messages[name], values);
  }

  /** A sentence by its name, or a text as it is. */
  say(text: PageText): string {
    if (typeof text === 'string') return text;
    return filled(this.findText(text.sentence) ?? text.sentence, text.values);
  }

  /** A sentence whose name is made of data, such as a permission. Undefined when there is none. */
  findText(name: string): string | undefined {
    if (isMessageName(name)) return this.#options.messages[name];
    const { ownMessages = {} } = this.#options;
    return Object.hasOwn(ownMessages, name) ? ownMessages[name] : undefined;
  }

  /** An amount with its currency: never rounded, whatever number of decimals it has. */
  amount({ currency, amount }: Amount): string {
    if (!DECIMAL.test(amount) || !/^[A-Z]{3}$/.test(currency)) return `${amount} ${currency}`;
    const style = { style: 'currency', currency } as const;
    const least = new Intl.NumberFormat(this.tag, style).resolvedOptions().minimumFractionDigits ?? 0;
    const most = Math.max(least, amount.split('.')[1]?.length ?? 0);
    const format = new Intl.NumberFormat(this.tag, {
      ...style,
      minimumFractionDigits: least,
      maximumFractionDigits: most,
    });
    return format.format(amount as `${number}`);
  }

  /** The day of a time, in the time zone of the bank; a date without a time stays as it is. Another text is returned. */
  date(at: Date | string): string {
    const time = typeof at === 'string' ? new Date(at) : at;
    if (Number.isNaN(time.getTime())) return String(at);
    const timeZone = typeof at === 'string' && DATE.test(at) ? 'UTC' : this.#options.timeZone;
    return this.#formatOf({ dateStyle: 'long', timeZone }).format(time);
  }

  /** Day and time of day, in the time zone of the bank. */
  dateTime(at: Date): string {
    const { timeZone } = this.#options;
    return this.#formatOf({ dateStyle: 'long', timeStyle: 'short', timeZone }).format(at);
  }

  #formatOf(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    const key = `${options.timeStyle} ${options.timeZone}`;
    const format = this.#formats.get(key) ?? new Intl.DateTimeFormat(this.tag, options);
    this.#formats.set(key, format);
    return format;
  }

  number(value: number): string {
    return new Intl.NumberFormat(this.tag).format(value);
  }

  /** "a, b and c". */
  list(items: readonly string[]): string {
    return new Intl.ListFormat(this.tag, { type: 'conjunction' }).format(items);
  }

  /** With a capital letter, for the begin of a sentence. */
  capitalized(text: string): string {
    const first = String.fromCodePoint(text.codePointAt(0) ?? 32);
    return text === '' ? '' : `${first.toLocaleUpperCase(this.tag)}${text.slice(first.length)}`;
  }
}

function filled(text: string, values: Readonly<Record<string, string>> | undefined): string {
  return text.replace(/\{([a-zA-Z]+)\}/g, (whole, name: string) =>
    values !== undefined && Object.hasOwn(values, name) ? (values[name] ?? whole) : whole,
  );
}
