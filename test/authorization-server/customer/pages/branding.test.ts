import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  coloursOf,
  contrastOf,
  findContrastProblems,
} from '../../../../src/authorization-server/customer/pages/branding/colours.ts';
import { Pages } from '../../../../src/authorization-server/customer/pages/pages.ts';
import { pagesSchema } from '../../../../src/configuration/consents/pages-schema.ts';
import { BUILT_IN_MESSAGES } from '../../../../src/authorization-server/customer/pages/words/messages.ts';
import { isRefusal } from '../../../../src/errors.ts';
import { htmlOf } from './shown-pages.ts';

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle r="4" cx="4" cy="4"/></svg>';
const bankName = 'Northbank';
let root: string;
let made = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'branding-'));
});
afterAll(() => rm(root, { recursive: true }));

/** A folder of a bank with these files. */
async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  made += 1;
  const folder = join(root, String(made));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

async function refusalOf(files: Readonly<Record<string, string>>): Promise<string> {
  return refusalFor({ folder: await folderWith(files) });
}

/** The problems for which pages with this branding are refused. */
function refusalFor(branding: Partial<ConstructorParameters<typeof Pages>[0]>): string {
  try {
    new Pages({ bankName, ...branding });
  } catch (error) {
    if (isRefusal(error, 'ERR_CONFIG_INVALID')) return JSON.stringify(error.details);
    throw error;
  }
  return 'no refusal';
}

describe('the colours of a bank', () => {
  const problemsOf = (colours: unknown) =>
    pagesSchema.safeParse({ colours }).error?.issues.map(({ path }) => path.join('.'));

  it('have enough contrast by default', () => {
    expect(findContrastProblems({})).toEqual([]);
    expect(contrastOf('#000000', '#ffffff')).toBe(21);
    expect(contrastOf('#767676', '#ffffff')).toBeGreaterThan(4.5);
    expect(contrastOf('#777777', '#ffffff')).toBeLessThan(4.5);
  });

  it('are refused below a contrast of 4.5 (WCAG 2.2 §1.4.3)', () => {
    expect(problemsOf({ light: { brand: '#ffcc00' } })).toEqual([
      'colours.light.brand',
      'colours.light.brand',
      'colours.light.onBrand',
    ]);
    expect(problemsOf({ dark: { ink: '#333333' } })).toEqual(['colours.dark.ink', 'colours.dark.ink']);
    expect(problemsOf({ light: { brand: '#8a1538' } })).toBeUndefined();
  });

  it.each(['red', '#12', '#1234567', 'url(x)', '#fff;}body{display:none', 'rgb(0,0,0)'])(
    'are hexadecimal, and nothing else: %s',
    (brand) => {
      expect(problemsOf({ light: { brand } })).toContain('colours.light.brand');
    },
  );

  it('are in the stylesheet and in the icon', () => {
    const { branding } = new Pages({ bankName, colours: { light: { brand: '#8a1538' } } });
    expect(branding.stylesheet).toContain('--brand:#8a1538');
    expect(branding.stylesheet).toContain(`--brand:${coloursOf({}, 'dark').brand}`);
    expect(branding.icon).toContain('#8a1538');
  });
});

describe('the logo of a bank', () => {
  it('stands in the header instead of the name, which it has as its text', async () => {
    const folder = await folderWith({ 'logo.svg': SVG, 'dark.svg': SVG });
    const pages = new Pages({
      bankName,
      logoFile: join(folder, 'logo.svg'),
      logoDarkFile: join(folder, 'dark.svg'),
    });
    const html = htmlOf('login', pages, 'en');
    expect(html).toMatch(/<img src="\/assets\/logo\?v=[\w-]{12}" alt="Northbank">/);
    expect(html).toContain('/assets/logo-dark?v=');
    expect(pages.branding.logo?.type).toBe('image/svg+xml');
  });

  it.each([
    ['a script', 'alert(1)'],
    ['HTML', '<!doctype html><svg></svg>'],
    ['too long', SVG.padEnd(300_000)],
  ])('is refused: %s', async (_, text) => {
    const folder = await folderWith({ logo: text });
    expect(refusalFor({ logoFile: join(folder, 'logo') })).toContain('must');
  });
});

describe('the templates of a bank', () => {
  it('replace single templates, and leave the others', async () => {
    const folder = await folderWith({
      'parts/footer.eta': "<footer>Own <%= it.t('button.allow') %></footer>",
    });
    const html = htmlOf('consent', new Pages({ bankName, folder }), 'de');
    expect(html).toContain('<footer>Own Erlauben</footer>');
    expect(html).toContain('id="approve"');
  });

  it('are refused at the start: an unknown name, another file, bad syntax, too long', async () => {
    expect(await refusalOf({ 'parts/foter.eta': '' })).toContain('parts/foter.eta');
    expect(await refusalOf({ 'notes.txt': '' })).toContain('notes.txt');
    expect(await refusalOf({ 'login.eta': '<% if ( { %>' })).toContain('syntax');
    expect(await refusalOf({ 'login.eta': 'x'.repeat(300_000) })).toContain('longer');
    expect(refusalFor({ folder: join(root, 'nothing') })).toContain('cannot be read');
  });
});

describe('the sentences of a bank', () => {
  it('replace single ones, and name its own scopes, types and permissions', async () => {
    const folder = await folderWith({
      'messages.en.json': JSON.stringify({
        'button.allow': 'Yes, allow',
        'scope.pensions': 'See your pensions',
        'scope.pensions.text': 'What you have saved for later.',
      }),
    });
    const words = new Pages({ bankName, folder }).languages.default;
    expect(words.text('button.allow')).toBe('Yes, allow');
    expect(words.text('button.cancel')).toBe('Cancel');
    expect(words.findText('scope.pensions')).toBe('See your pensions');
  });

  it('can be those of a region, or a whole language', async () => {
    const folder = await folderWith({
      'messages.pt-BR.json': JSON.stringify({ 'field.password': 'Senha' }),
      'messages.nl.json': JSON.stringify({ ...BUILT_IN_MESSAGES.en, 'button.allow': 'Toestaan' }),
    });
    const { languages } = new Pages({ bankName, folder });
    const of = (tag: string) => languages.preferred({ uiLocales: [tag] });
    expect(of('pt-BR').text('field.password')).toBe('Senha');
    expect(of('pt-BR').text('button.allow')).toBe('Autorizar');
    expect(of('pt').text('field.password')).toBe('Palavra-passe');
    expect(of('nl-BE').text('button.allow')).toBe('Toestaan');
    expect(languages.offered).toEqual(['en', 'de', 'fr', 'es', 'pt', 'nl', 'pt-BR']);
  });

  it('are refused: an unknown name, a placeholder too many or too few, no text, a language with gaps', async () => {
    const refused = (messages: unknown, locale = 'en') =>
      refusalOf({ [`messages.${locale}.json`]: JSON.stringify(messages) });
    expect(await refused({ 'button.alow': 'x' })).toContain('button.alow is no sentence');
    expect(await refused({ 'button.allow': 'x {service}' })).toContain('no value for {service}');
    expect(await refused({ 'button.back': 'Back' })).toContain('must have {service}');
    expect(await refused({ 'button.allow': 5 })).toContain('must be a sentence');
    expect(await refused(['x'])).toContain('must be an object');
    expect(await refused({ 'button.allow': 'Toestaan' }, 'nl')).toContain('lacks');
    expect(await refusalOf({ 'messages.en.json': '{' })).toContain('messages.en.json');
  });
});

describe('the languages of a bank', () => {
  it('are those that it offers; the default is the first', () => {
    const { languages } = new Pages({ bankName, locales: ['de', 'en'], defaultLocale: 'de-AT' });
    expect(languages.offered).toEqual(['en', 'de']);
    expect(languages.preferred({ acceptLanguage: 'fr' }).tag).toBe('de-AT');
    expect(new Pages({ bankName, locales: ['es'] }).languages.default.tag).toBe('es-ES');
  });

  it('are refused where there are no sentences', () => {
    expect(refusalFor({ locales: ['fi'] })).toContain('no sentences in fi');
    expect(refusalFor({ locales: ['en'], defaultLocale: 'de' })).toContain('no sentences in de');
    expect(pagesSchema.safeParse({ timeZone: 'Berlin' }).success).toBe(false);
    expect(pagesSchema.parse({ timeZone: 'Europe/Berlin' }).timeZone).toBe('Europe/Berlin');
  });
});
