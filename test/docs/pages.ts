import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);
/** Pages that people read, besides those of docs/. */
const ELSEWHERE = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'src/resource-server/README.md',
  'tpp-registry/README.md',
];

/** One Markdown page; `path` is relative to the root of the project. */
export interface Page {
  readonly path: string;
  readonly text: string;
}

/** A fenced block of a page. */
export interface Block {
  readonly path: string;
  readonly language: string;
  readonly code: string;
}

/** The file name of a path that is relative to the root of the project. */
export function fileOf(path: string): string {
  return fileURLToPath(new URL(path, ROOT));
}

export function readPage(path: string): Page {
  return { path, text: readFileSync(fileOf(path), 'utf8') };
}

/** Every page that people read. */
export function readPages(): readonly Page[] {
  const below = readdirSync(fileOf('docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name.replaceAll('\\', '/')}`);
  return [...ELSEWHERE, ...below.toSorted()].map(readPage);
}

export function blocksOf({ path, text }: Page): readonly Block[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => ({
    path,
    language,
    code,
  }));
}

/** The block whose first line is this comment, without that line: what users copy is what runs in tests. */
export function snippet(page: string, title: string): string {
  const found = blocksOf(readPage(page)).find(({ code }) => code.startsWith(`# ${title}\n`));
  if (found === undefined) throw new Error(`${page} has no snippet "${title}"`);
  return found.code.slice(title.length + 3);
}

/** The page without its fenced blocks. */
export function proseOf({ text }: Page): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '');
}
