import { expect, it } from 'vitest';
import { type Page, proseOf, readPages } from './pages.ts';

/** Words that docs/style.md rules out. */
const BANNED = /\b(sees? to it|hears? of|tells?|lets? go|takes up|meanwhile|good standing)\b/i;
/** A sentence whose subject is no noun. A question may begin so. */
const NO_NOUN = /(?:^|[.:!|-] )(?:It|What|Who) [a-z][^.|?\n]*(?=[.|\n]|$)/gm;

function problemsOf(page: Page): readonly string[] {
  const text = proseOf(page).replace(/^#.*$/gm, '');
  const banned = text.split('\n').filter((line) => BANNED.test(line));
  const subjects = [...text.matchAll(NO_NOUN)].map(([sentence]) => sentence);
  return [...banned, ...subjects].map((found) => `${page.path}: ${found.trim().slice(0, 120)}`);
}

it('every page is in the words of docs/style.md', () => {
  const pages = readPages().filter(({ path }) => path !== 'docs/style.md');
  expect(pages.flatMap(problemsOf)).toEqual([]);
});

it('finds what it should', () => {
  const page = (text: string) => ({ path: 'a page', text });
  expect(problemsOf(page('The server tells the client.'))).toHaveLength(1);
  expect(problemsOf(page('The file is kept. It is read again.'))).toHaveLength(1);
  expect(problemsOf(page('| Who wins when a code is used twice? | the store |'))).toEqual([]);
});
