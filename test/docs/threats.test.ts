import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fileOf, readPage } from './pages.ts';

/** Ids in brackets, `(B1, M2)`, and at the beginning of a title, `'F3 …`, `'D4: …`. */
function idsIn(text: string): string[] {
  const bracketed = [...text.matchAll(/\([^()\n]*\)/g)].flatMap(([group]) =>
    [...group.matchAll(/(?<=[( ])[A-R]\d{1,2}(?=[,)])/g)].map(([id]) => id),
  );
  const leading = [...text.matchAll(/['"`]([A-R]\d{1,2})(?=[ :'"`])/g)].map(([, id = '']) => id);
  return [...bracketed, ...leading];
}

function citedIds(): Set<string> {
  const files = readdirSync(fileOf('test'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.startsWith('docs'),
  );
  return new Set(files.flatMap((name) => idsIn(readFileSync(fileOf(`test/${name}`), 'utf8'))));
}

describe('docs/threats.md', () => {
  const lines = [...readPage('docs/threats.md').text.matchAll(/^\| ([A-R]\d{1,2}) \|/gm)].map(
    ([, id = '']) => id,
  );

  it('has one line for every id that a test cites, and no line that none cites', () => {
    expect(new Set(lines).size).toBe(lines.length);
    const cited = citedIds();
    expect([...cited].filter((id) => !lines.includes(id))).toEqual([]);
    expect(lines.filter((id) => !cited.has(id))).toEqual([]);
  });

  it('reads ids where titles have them', () => {
    expect(idsIn("it('is refused (B1, RFC 9440 §4)'")).toEqual(['B1']);
    expect(idsIn("it('F3 while it is in use'")).toEqual(['F3']);
    expect(idsIn("['P-256', 'C2PA']")).toEqual([]);
  });
});
