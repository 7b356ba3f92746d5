import { escapedHtml } from './escaped-html.ts';
import type { MessageName } from './messages.ts';
import type { PageText, Words } from './words.ts';

type Values = Readonly<Record<string, string>>;

/** The words of a page, as templates have them in `it`. */
export interface PageWords {
  /** Language and region, for the `lang` attribute. */
  readonly locale: string;
  readonly direction: 'ltr' | 'rtl';
  /** A sentence as plain text: `<%= it.t('button.allow') %>`. */
  readonly t: (name: MessageName, values?: Values) => string;
  /** A sentence as HTML, its values in `<strong>`: `<%~ it.strong('consent.lead', { service }) %>`. */
  readonly strong: (name: MessageName, values: Values) => string;
  /** A text that is a sentence of ours or of the bank. */
  readonly say: (text: PageText) => string;
}

/** Languages that are written from right to left. */
const RIGHT_TO_LEFT: readonly string[] = ['ar', 'fa', 'he', 'ur', 'yi'];

export function pageWords(words: Words): PageWords {
  return {
    locale: words.tag,
    direction: RIGHT_TO_LEFT.includes(words.language) ? 'rtl' : 'ltr',
    t: (sentence, values) => words.say({ sentence, values }),
    strong: (sentence, values) => strongHtml(words.say({ sentence }), values),
    say: (text) => words.say(text),
  };
}

/** Escapes sentence and values. A value keeps its own direction of writing, and cannot turn the rest of the sentence. */
function strongHtml(sentence: string, values: Values): string {
  return escapedHtml(sentence).replace(/\{([a-zA-Z]+)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? `<strong>${escapedHtml(values[name] ?? '')}</strong>` : whole,
  );
}
