import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { invalidConfig, type Problem } from '../../../../errors.ts';
import { TEMPLATE_NAMES } from '../page-templates.ts';
import {
  BUILT_IN_MESSAGES,
  isMessageName,
  MESSAGE_NAMES,
  type Messages,
  placeholdersOf,
} from '../words/messages.ts';

/** The files of a bank for its pages. */
export interface BankFolder {
  /** By the name of the template that each replaces. */
  readonly templates: ReadonlyMap<string, string>;
  /** Every sentence of each language, with the bank's own ones in place. */
  readonly messages: Readonly<Record<string, Messages>>;
  /** The bank's words for its own scopes, types, members and permissions. */
  readonly ownMessages: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const MAX_BYTES = 256 * 1024;
const MESSAGES = /^messages\.([a-z]{2,3}(?:-[A-Z]{2})?)\.json$/;
/** Names of sentences that this server does not have, because the things are the bank's. */
const OWN_NAME = /^(scope|type|field|permission|claim)\.[\x21-\x7e]{1,128}$/;

/** Without a folder: the sentences that this server brings. */
export const NO_FOLDER: BankFolder = Object.freeze({
  templates: new Map(),
  messages: BUILT_IN_MESSAGES,
  ownMessages: {},
});

/**
 * Reads templates and sentences once, at the start. A file or a sentence that replaces nothing is refused: a slip in a name
 * would be found by customers else.
 *
 * @throws ERR_CONFIG_INVALID with every problem
 */
export function readBankFolder(folder: string): BankFolder {
  const templates = new Map<string, string>();
  const messages: Record<string, Messages> = { ...BUILT_IN_MESSAGES };
  const ownMessages: Record<string, Readonly<Record<string, string>>> = {};
  const problems: Problem[] = [];
  for (const path of pathsIn(folder)) {
    const template = path.endsWith('.eta') ? path.slice(0, -'.eta'.length) : undefined;
    const locale = MESSAGES.exec(path)?.[1];
    try {
      if (template !== undefined && TEMPLATE_NAMES.includes(template)) {
        templates.set(template, readBounded(join(folder, path)));
      } else if (locale !== undefined) {
        const read = messagesIn(readBounded(join(folder, path)), locale);
        messages[locale] = read.messages;
        ownMessages[locale] = read.own;
      } else throw new Error('is no template and no messages.<locale>.json that this server knows');
    } catch (error) {
      problems.push({ path, message: error instanceof Error ? error.message : String(error) });
    }
  }
  if (problems.length > 0) throw invalidConfig(folder, problems);
  return { templates, messages, ownMessages };
}

function pathsIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => statSync(join(folder, path)).isFile())
      .map((path) => path.replaceAll('\\', '/'))
      .toSorted();
  } catch (cause) {
    throw invalidConfig(folder, [{ path: 'pages.folder', message: 'cannot be read' }], cause);
  }
}

function readBounded(file: string): string {
  if (statSync(file).size > MAX_BYTES) throw new Error(`is longer than ${MAX_BYTES} bytes`);
  return readFileSync(file, 'utf8');
}

function messagesIn(
  text: string,
  locale: string,
): { readonly messages: Messages; readonly own: Readonly<Record<string, string>> } {
  const given = parseSentences(text);
  const wrong = given.map(([name, sentence]) => problemOf(name, sentence)).filter((one) => one !== undefined);
  const base = BUILT_IN_MESSAGES[locale] ?? BUILT_IN_MESSAGES[locale.split('-')[0] ?? ''];
  const sentences = Object.fromEntries(given.filter(([name]) => isMessageName(name)));
  // A language of the bank's own has no other source.
  const missing = MESSAGE_NAMES.filter((name) => base === undefined && sentences[name] === undefined);
  const all = [...wrong, ...missing.slice(0, 5).map((name) => `lacks ${name}`)];
  if (all.length > 0) throw new Error(all.join('; '));
  return {
    messages: Object.freeze({ ...base, ...sentences }) as Messages,
    own: Object.freeze(Object.fromEntries(given.filter(([name]) => !isMessageName(name)))),
  };
}

function parseSentences(text: string): readonly (readonly [string, string])[] {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error('must be an object of sentences');
  }
  return Object.entries(value).map(([name, sentence]) => {
    if (typeof sentence === 'string' && sentence.trim() !== '') return [name, sentence];
    throw new Error(`${name} must be a sentence`);
  });
}

function problemOf(name: string, sentence: string): string | undefined {
  if (!isMessageName(name)) return OWN_NAME.test(name) ? undefined : `${name} is no sentence of the pages`;
  const expected = placeholdersOf(BUILT_IN_MESSAGES.en?.[name] ?? '');
  const unknown = placeholdersOf(sentence).filter((one) => !expected.includes(one));
  const absent = expected.filter((one) => !placeholdersOf(sentence).includes(one));
  if (unknown.length > 0) return `${name} has no value for {${unknown.join('}, {')}}`;
  return absent.length > 0 ? `${name} must have {${absent.join('}, {')}}` : undefined;
}
