import { DE_ACCESS } from './de/access.ts';
import { DE_AUTHENTICATION } from './de/authentication.ts';
import { DE_DASHBOARD } from './de/dashboard.ts';
import { DE_PAGES } from './de/pages.ts';
import { DE_PASSKEYS } from './de/passkeys.ts';
import { EN_ACCESS } from './en/access.ts';
import { EN_AUTHENTICATION } from './en/authentication.ts';
import { EN_DASHBOARD } from './en/dashboard.ts';
import { EN_PAGES } from './en/pages.ts';
import { EN_PASSKEYS } from './en/passkeys.ts';
import { ES_ACCESS } from './es/access.ts';
import { ES_AUTHENTICATION } from './es/authentication.ts';
import { ES_DASHBOARD } from './es/dashboard.ts';
import { ES_PAGES } from './es/pages.ts';
import { ES_PASSKEYS } from './es/passkeys.ts';
import { FR_ACCESS } from './fr/access.ts';
import { FR_AUTHENTICATION } from './fr/authentication.ts';
import { FR_DASHBOARD } from './fr/dashboard.ts';
import { FR_PAGES } from './fr/pages.ts';
import { FR_PASSKEYS } from './fr/passkeys.ts';
import { PT_ACCESS } from './pt/access.ts';
import { PT_AUTHENTICATION } from './pt/authentication.ts';
import { PT_DASHBOARD } from './pt/dashboard.ts';
import { PT_PAGES } from './pt/pages.ts';
import { PT_PASSKEYS } from './pt/passkeys.ts';

const EN = Object.freeze({
  ...EN_ACCESS,
  ...EN_PAGES,
  ...EN_AUTHENTICATION,
  ...EN_DASHBOARD,
  ...EN_PASSKEYS,
});

/** The name of a sentence. */
export type MessageName = keyof typeof EN;
/** Every sentence of the pages in one language, with `{placeholders}`. */
export type Messages = Readonly<Record<MessageName, string>>;

/** The placeholders of a sentence, which are the same in every language. */
type PlaceholdersIn<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | PlaceholdersIn<Rest>
  : never;
export type Placeholders<Name extends MessageName> = PlaceholdersIn<(typeof EN)[Name]>;
/** The arguments of a sentence: none where it has no placeholders. */
export type ValuesOf<Name extends MessageName> = [Placeholders<Name>] extends [never]
  ? readonly []
  : readonly [values: Readonly<Record<Placeholders<Name>, string>>];

/** The languages that this server brings, by ISO 639-1. */
export const BUILT_IN_MESSAGES: Readonly<Record<string, Messages>> = Object.freeze({
  en: EN,
  de: Object.freeze({ ...DE_ACCESS, ...DE_PAGES, ...DE_AUTHENTICATION, ...DE_DASHBOARD, ...DE_PASSKEYS }),
  fr: Object.freeze({ ...FR_ACCESS, ...FR_PAGES, ...FR_AUTHENTICATION, ...FR_DASHBOARD, ...FR_PASSKEYS }),
  es: Object.freeze({ ...ES_ACCESS, ...ES_PAGES, ...ES_AUTHENTICATION, ...ES_DASHBOARD, ...ES_PASSKEYS }),
  pt: Object.freeze({ ...PT_ACCESS, ...PT_PAGES, ...PT_AUTHENTICATION, ...PT_DASHBOARD, ...PT_PASSKEYS }),
});
/** The region whose formats a language has when the customer names none. */
export const DEFAULT_REGIONS: Readonly<Record<string, string>> = Object.freeze({
  en: 'GB',
  de: 'DE',
  fr: 'FR',
  es: 'ES',
  pt: 'PT',
});
export const MESSAGE_NAMES = Object.freeze(Object.keys(EN)) as readonly MessageName[];

export function isMessageName(name: string): name is MessageName {
  return Object.hasOwn(EN, name);
}

/** The placeholders of a text, sorted. */
export function placeholdersOf(text: string): readonly string[] {
  return [...new Set([...text.matchAll(/\{([a-zA-Z]+)\}/g)].map(([, name = '']) => name))].toSorted();
}
