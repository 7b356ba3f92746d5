import { snippet } from '../../docs/pages.ts';

/** The lines of docs/proxies.md that begin with this comment: what users copy is what runs here. */
export function documentedSnippet(title: string): string {
  return snippet('docs/proxies.md', title);
}

/** Puts this machine's places where the snippet has a user's. Each must be there. */
export function adapted(lines: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the snippet has no "${from}"`);
    return text.replaceAll(from, to);
  }, lines);
}
