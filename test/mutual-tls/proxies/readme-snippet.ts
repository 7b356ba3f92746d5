import { readFileSync } from 'node:fs';

const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

/** The lines of the README that begin with this comment: what users copy is what runs here. */
export function readmeSnippet(title: string): string {
  const block = [...README.matchAll(/```[a-z]+\n(# [^\n]+)\n([\s\S]*?)```/g)].find(
    ([, first]) => first === `# ${title}`,
  );
  if (block?.[2] === undefined) throw new Error(`README has no snippet "${title}"`);
  return block[2];
}

/** Puts this machine's places where the snippet has a user's. Each must be there. */
export function adapted(snippet: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the snippet has no "${from}"`);
    return text.replaceAll(from, to);
  }, snippet);
}
