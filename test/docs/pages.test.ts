import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { describe, expect, it } from 'vitest';
import { fileOf, type Page, proseOf, readPage, readPages } from './pages.ts';

const README_BYTES = 9000;
const PICTURE_BYTES = 60_000;
const GLOSSARY_WORDS = 25;

function targetsOf(page: Page): string[] {
  const text = proseOf(page).replace(/`[^`\n]*`/g, '');
  return [
    ...[...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target),
    ...[...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, target = '']) => target),
  ];
}

/** The anchors of a page as GitHub makes them: a second heading of the same words ends in -1. */
function anchorsOf(page: Page): Set<string> {
  const seen = new Map<string, number>();
  const headings = [...proseOf(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return new Set(
    headings.map((slug) => {
      const times = seen.get(slug) ?? 0;
      seen.set(slug, times + 1);
      return times === 0 ? slug : `${slug}-${times}`;
    }),
  );
}

function problemOf(page: Page, target: string): string | undefined {
  const [file = '', anchor] = target.split('#');
  const path = file === '' ? page.path : join(dirname(page.path), file);
  if (!existsSync(fileOf(path))) return `${page.path}: ${target} is not there`;
  if (anchor === undefined) return undefined;
  return path.endsWith('.md') && anchorsOf(readPage(path)).has(anchor)
    ? undefined
    : `${page.path}: ${target} names no heading`;
}

/** Words that docs/style.md rules out. */
const BANNED = /\b(sees? to it|hears? of|tells?|lets? go|takes up|meanwhile|good standing)\b/i;
/** A sentence whose subject is no noun. A question may begin so. */
const NO_NOUN = /(?:^|[.:!|-] )(?:It|What|Who) [a-z][^.|?\n]*(?=[.|\n]|$)/gm;

function wordProblemsOf(page: Page): readonly string[] {
  const text = proseOf(page).replace(/^#.*$/gm, '');
  const banned = text.split('\n').filter((line) => BANNED.test(line));
  const subjects = [...text.matchAll(NO_NOUN)].map(([sentence]) => sentence);
  return [...banned, ...subjects].map((found) => `${page.path}: ${found.trim().slice(0, 120)}`);
}

/** `src/tpp/authenticate.ts`, `test/docs/`: a path of this project within a sentence. */
const PATH = /`((?:src|test|tpp-registry|conformance|docs|deploy)\/[\w./-]*)`/g;

describe('the pages', () => {
  it('have no relative link that leads nowhere', () => {
    const problems = readPages().flatMap((page) =>
      targetsOf(page)
        .filter((target) => !/^(https?|mailto):/.test(target))
        .flatMap((target) => problemOf(page, target) ?? []),
    );
    expect(problems).toEqual([]);
  });

  it('are each linked from another one', () => {
    const pages = readPages();
    const linked = new Set(
      pages.flatMap((page) =>
        targetsOf(page).map((target) => join(dirname(page.path), target.split('#')[0] ?? '')),
      ),
    );
    const lonely = pages.filter(({ path }) => path !== 'README.md' && !linked.has(path));
    expect(lonely.map(({ path }) => path)).toEqual([]);
  });

  it('begin with a README that is read in three minutes, and a picture that loads at once', () => {
    expect(statSync(fileOf('README.md')).size).toBeLessThanOrEqual(README_BYTES);
    expect(statSync(fileOf('docs/images/payment.png')).size).toBeLessThanOrEqual(PICTURE_BYTES);
  });

  it('name the Node that the project brings', () => {
    const { optionalDependencies } = JSON.parse(readFileSync(fileOf('package.json'), 'utf8'));
    const programs = Object.entries(optionalDependencies).filter(([name]) => name.startsWith('node-'));
    const release = readFileSync(fileOf('.nvmrc'), 'utf8').trim();
    expect(programs.map(([, version]) => version)).toEqual(programs.map(() => release));
    expect(programs.length).toBeGreaterThan(3);
    expect(readFileSync(fileOf('docker-compose.yml'), 'utf8')).toContain(`:-node:${release}-`);
  });

  it('define no word of the glossary twice, and no more than a reader keeps in mind', () => {
    const terms = [...readPage('docs/glossary.md').text.matchAll(/^\| \*\*(.+?)\*\* \|/gm)].map(
      ([, term]) => term,
    );
    expect(new Set(terms).size).toBe(terms.length);
    expect(terms.length).toBeGreaterThan(10);
    expect(terms.length).toBeLessThanOrEqual(GLOSSARY_WORDS);
  });

  it('name no file that is not there', () => {
    const missing = readPages()
      .filter(({ path }) => path !== 'CHANGELOG.md')
      .flatMap(({ path, text }) =>
        [...text.matchAll(PATH)]
          .map(([, name = '']) => name)
          .filter((name) => !existsSync(fileOf(name)))
          .map((name) => `${path}: ${name}`),
      );
    expect(missing).toEqual([]);
  });

  it('are in the words of docs/style.md', () => {
    const pages = readPages().filter(({ path }) => path !== 'docs/style.md');
    expect(pages.flatMap(wordProblemsOf)).toEqual([]);
  });

  it('are found out when they are not', () => {
    const page = (text: string) => ({ path: 'a page', text });
    expect(wordProblemsOf(page('The server tells the client.'))).toHaveLength(1);
    expect(wordProblemsOf(page('The file is kept. It is read again.'))).toHaveLength(1);
    expect(wordProblemsOf(page('| Who wins when a code is used twice? | the store |'))).toEqual([]);
  });
});
