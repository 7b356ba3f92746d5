import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { invalidConfig } from '../../../../errors.ts';
import { PageTemplates } from '../page-templates.ts';
import { Languages, languageOf } from '../words/languages.ts';
import { type BankFolder, NO_FOLDER, readBankFolder } from './bank-folder.ts';
import { colourRules, coloursOf, type OwnColours } from './colours.ts';
import { type Logo, readLogo } from './logo.ts';

/** How a bank's pages look, and in which languages they are. Names of files are absolute. */
export interface BrandingOptions {
  /** Default: the name of the bank's module. */
  readonly bankName?: string | undefined;
  readonly logoFile?: string | undefined;
  /** In dark mode; default the same. */
  readonly logoDarkFile?: string | undefined;
  readonly colours?: OwnColours | undefined;
  readonly folder?: string | undefined;
  readonly defaultLocale?: string | undefined;
  /** The languages on offer; default all that there are. */
  readonly locales?: readonly string[] | undefined;
  readonly timeZone?: string | undefined;
}

const FOLDER = fileURLToPath(new URL('../', import.meta.url));
const DEFAULT_LOCALE = 'en-GB';

/** Everything that a bank can change on its pages without changing code: read, and checked, at the start. */
export class Branding {
  readonly bankName: string;
  readonly stylesheet: string;
  readonly icon: string;
  readonly logo: Logo | undefined;
  readonly logoDark: Logo | undefined;
  readonly templates: PageTemplates;
  readonly languages: Languages;
  /** Changes with the files that browsers keep. */
  readonly version: string;

  /** @throws ERR_CONFIG_INVALID */
  constructor(options: BrandingOptions & { readonly bankName: string }) {
    const { bankName, colours = {}, logoFile, logoDarkFile, folder } = options;
    const files = folder === undefined ? NO_FOLDER : readBankFolder(folder);
    this.bankName = bankName;
    this.stylesheet = colourRules(colours) + readFileSync(`${FOLDER}bank.css`, 'utf8');
    const { brand, onBrand } = coloursOf(colours, 'light');
    this.icon = readFileSync(`${FOLDER}icon.svg`, 'utf8').replace('#0b4f8a', brand).replace('#fff', onBrand);
    this.logo = logoFile === undefined ? undefined : readLogo(logoFile);
    this.logoDark = logoDarkFile === undefined ? undefined : readLogo(logoDarkFile);
    this.templates = templatesOf(files, folder);
    this.languages = languagesOf(files, options);
    const hash = createHash('sha256').update(this.stylesheet).update(this.icon);
    for (const logo of [this.logo, this.logoDark]) hash.update(logo?.bytes ?? '');
    this.version = hash.digest('base64url').slice(0, 12);
  }
}

function templatesOf({ templates }: BankFolder, folder: string | undefined): PageTemplates {
  try {
    return new PageTemplates(templates);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw invalidConfig(folder ?? '', [{ path: 'pages.folder', message }], cause);
  }
}

function languagesOf(
  { messages, ownMessages }: BankFolder,
  { locales, defaultLocale = locales?.[0] ?? DEFAULT_LOCALE, timeZone, folder }: BrandingOptions,
): Languages {
  const offered = Object.keys(messages).filter(
    (tag) => locales === undefined || locales.includes(tag) || locales.includes(languageOf(tag) ?? ''),
  );
  const absent = [...(locales ?? []), languageOf(defaultLocale) ?? ''].filter(
    (tag) => !offered.includes(tag) && !offered.includes(defaultLocale),
  );
  if (absent.length > 0) {
    const message = `there are no sentences in ${absent.join(', ')}`;
    throw invalidConfig(folder ?? 'pages', [{ path: 'pages.locales', message }]);
  }
  const kept = Object.fromEntries(Object.entries(messages).filter(([tag]) => offered.includes(tag)));
  return new Languages({ defaultLocale, messages: kept, ownMessages, ...(timeZone && { timeZone }) });
}
