import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { fileOf, readPages } from './pages.ts';

/** `src/tpp/authenticate.ts`, `test/docs/`: a path of this project within a sentence. */
const PATH = /`((?:src|test|tpp-registry|conformance|docs|deploy)\/[\w./-]*)`/g;

it('every file that a page names is there', () => {
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
