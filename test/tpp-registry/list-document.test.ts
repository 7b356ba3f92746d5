import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDocument, stringify } from 'yaml';
import { OpenBankingError, type Problem } from '../../src/errors.ts';
import { sliceJson } from '../../tpp-registry/json-list.ts';
import { ListDocument } from '../../tpp-registry/list-document.ts';
import { SliceError, type SlicedList } from '../../tpp-registry/sliced-list.ts';
import { sliceYaml } from '../../tpp-registry/yaml-list.ts';

const invalid = (problems: readonly Problem[]) =>
  new OpenBankingError('ERR_REGISTRY_INVALID', { source: 'test', problems });
const open = (text: string) => new ListDocument(Buffer.from(text), { list: 'tpps', invalid });
/** Above the size of files that are read as one document. */
const padding = (length = 4_200_000) => '#'.repeat(length);

function problemsOf(read: () => void): string[] {
  try {
    read();
  } catch (error) {
    return (error as OpenBankingError<'ERR_REGISTRY_INVALID'>).details.problems.map(
      ({ path, message }) => `${path}: ${message}`,
    );
  }
  return [];
}

/** All entries, or undefined when the text is cut nowhere or a slice is refused. */
function entriesOf(sliced: SlicedList | undefined): unknown[] | undefined {
  try {
    return sliced?.slices.flatMap((slice) => sliced.parse(slice));
  } catch (error) {
    if (error instanceof SliceError) return undefined;
    throw error;
  }
}

/** A text with some characters changed for such as mean something. */
const mutated = (text: fc.Arbitrary<string>, marks: string) =>
  fc
    .tuple(text, fc.array(fc.tuple(fc.nat(), fc.constantFrom(...marks, '')), { maxLength: 3 }))
    .map(([whole, changes]) =>
      changes.reduce((now, [place, mark]) => {
        const at = place % (now.length + 1);
        return now.slice(0, at) + mark + now.slice(at + 1);
      }, whole),
    );

describe('a list in JSON, cut at its entries', () => {
  const documents = fc
    .record({ before: fc.jsonValue(), tpps: fc.array(fc.jsonValue()), after: fc.jsonValue() })
    .chain((value) => fc.constantFrom(0, 1, '\t').map((indent) => JSON.stringify(value, null, indent)));

  it('has the entries that JSON.parse reads', () => {
    fc.assert(
      fc.property(documents, (text) => {
        const { tpps, ...others } = JSON.parse(text);
        const sliced = sliceJson(Buffer.from(text), 'tpps');
        expect(entriesOf(sliced)).toEqual(tpps);
        expect(sliced?.frame).toEqual({ ...others, tpps: [] });
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('is never read from a text that is not JSON, nor with other entries', () => {
    fc.assert(
      fc.property(mutated(documents, '"\\{}[],:\n 1'), (text) => {
        const entries = entriesOf(sliceJson(Buffer.from(text), 'tpps'));
        if (entries !== undefined) expect(JSON.parse(text).tpps ?? []).toEqual(entries);
      }),
      { seed: 1, numRuns: 1500 },
    );
  });

  it.each([
    ['twice in an entry', '{"tpps":[{"a":1,"b":{"c":1,"c":2}}]}'],
    ['twice by escape', '{"tpps":[{"a":1,"\\u0061":2}]}'],
    ['the list twice', '{"tpps":[1],"tpps":[2]}'],
    ['twice beside the list', '{"a":1,"tpps":[1],"a":2}'],
  ])('is refused with a member that is named %s', (_title, text) => {
    expect(entriesOf(sliceJson(Buffer.from(text), 'tpps'))).toBeUndefined();
    expect(problemsOf(() => open(text))).toHaveLength(1);
  });
});

describe('a list in YAML, cut at its entries', () => {
  const value = fc.record({
    before: fc.constantFrom('x', ['- a', 'tpps:']),
    tpps: fc.array(
      fc.oneof(
        fc.jsonValue({ maxDepth: 2 }),
        fc.record({ text: fc.constantFrom('- a\n- b', 'tpps:\n  - c', ' # no\n', "it's: so", '') }),
      ),
      { minLength: 1 },
    ),
    after: fc.constantFrom({ a: 1 }, null),
  });
  const style = fc.record({
    indent: fc.constantFrom(2, 4),
    indentSeq: fc.boolean(),
    lineWidth: fc.constant(20),
  });
  const documents = fc
    .tuple(value, style)
    .map(([one, options]) => stringify(one, { ...options, aliasDuplicateObjects: false }));
  const whole = (text: string) => {
    const document = parseDocument(text, { uniqueKeys: true, strict: true, schema: 'core' });
    return document.errors.length > 0 ? undefined : document.toJS({ maxAliasCount: 0 });
  };

  it('has the entries that the whole document has', () => {
    fc.assert(
      fc.property(documents, (text) => {
        const entries = entriesOf(sliceYaml(Buffer.from(text), 'tpps', 0));
        expect(entries).toEqual(whole(text).tpps);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('is never read from a text that is not YAML, nor with other entries', () => {
    fc.assert(
      fc.property(mutated(documents, '-:#"\'|> \n{}[]&*a'), (text) => {
        const entries = entriesOf(sliceYaml(Buffer.from(text), 'tpps', 0));
        if (entries !== undefined) expect(whole(text)?.tpps).toEqual(entries);
      }),
      { seed: 1, numRuns: 1500 },
    );
  });
});

describe('a long list', () => {
  const entry = (at: number) => ({ number: `n${at}`, inner: { flag: true } });
  const json = JSON.stringify({ tpps: Array.from({ length: 90_000 }, (_, at) => entry(at)) }, null, 1);
  const yaml = `# ${padding()}\ntpps:\n${Array.from(
    { length: 2000 },
    (_, at) => `  - number: n${at}\n    inner: { flag: true }\n`,
  ).join('')}`;

  it('is read entry by entry, in both forms', () => {
    let at = 0;
    for (const one of open(json).entries()) {
      expect(one).toEqual(entry(at));
      at += 1;
    }
    expect(at).toBe(90_000);
    expect([...open(yaml).entries()]).toEqual(Array.from({ length: 2000 }, (_, index) => entry(index)));
  }, 30_000);

  it.each([
    ['JSON', json, 2 + 6 * 1500 + 4],
    ['YAML', yaml, 2 + 2 * 1500 + 2],
  ])('names the line of a problem in %s', (_form, text, line) => {
    const document = open(text);
    for (const _one of document.entries());
    document.note(['tpps', 1500, 'inner', 'flag'], 'is wrong');
    expect(problemsOf(() => document.assertSound())).toEqual([
      `tpps[1500].inner.flag (line ${line}): is wrong`,
    ]);
  });

  it.each([
    ['an entry that is no JSON', json.replace('"n7"', 'n7'), /^tpps\[7\] \(line 45\): is not JSON$/],
    ['a member twice', json.replace('"inner"', '"number"'), /^tpps\[0\] \(line 3\): names a member twice$/],
    ['a bracket too few', json.slice(0, -3), /is not JSON/],
    [
      'a key twice in YAML',
      yaml.replace('number: n950', 'inner: n950'),
      /^line 1904: Map keys must be unique/,
    ],
    ['an alias', yaml.replace('n9', '*a'), /^tpps\[0\] \(line 3\): Alias resolution is disabled/],
    ['no list', `a: ${padding()}`, /one "- " below the other/],
  ])('is refused with %s', (_title, text, message) => {
    const [problem, ...others] = problemsOf(() => [...open(text).entries()]);
    expect(problem).toMatch(message);
    expect(others).toEqual([]);
  });

  it('names a hundred problems at most', () => {
    const document = open(json);
    for (let at = 0; at < 1000; at += 1) document.note(['tpps', at], 'is wrong');
    const problems = problemsOf(() => document.assertSound());
    expect([problems.length, problems.at(-1)]).toEqual([101, ': has more problems']);
  });
});
