import { readFileSync } from 'node:fs';
import { matchesGlob } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMBINATIONS } from '../../conformance/combinations.ts';
import { parseExpectations } from '../../conformance/expectations.ts';
import { junitOf } from '../../conformance/junit.ts';
import type { ModuleEnding } from '../../conformance/module-run.ts';
import { withResults } from '../../conformance/results-page.ts';

function ended(module: string, result: string): ModuleEnding {
  const remark = { result: 'FAILURE', condition: 'Bad', message: 'a <b> & "c"\u0000', requirements: [] };
  return { module, id: 'x', result, seconds: 1.26, remarks: result === 'FAILED' ? [remark] : [], log: [] };
}

const endings = [ended('one', 'PASSED'), ended('two', 'FAILED'), ended('three', 'SKIPPED')];
const facts = { commit: 'aaaaaaaaaa', date: '2026-11-29', suiteVersion: '5.2.4', expected: [] };
const page = 'before\n<!-- results -->\n<!-- /results -->\nafter\n';
const rowsOf = (text: string) =>
  text.split('\n').filter((line) => /^\| `(sp|cc|ms|fapi1|uk|brazil|ciba)-[\w-]+` \| \d/.test(line));
const whole = (combination: string) => ({ combination, endings, isWhole: true });

describe('the table of results', () => {
  it('has a row with the counts, the commit, the date and the suite', () => {
    const text = withResults(page, [whole('sp-mtls-mtls-openid')], facts);
    expect(rowsOf(text)).toEqual([
      '| `sp-mtls-mtls-openid` | 3 | 1 | 0 | 1 | 0 | 1 | 0 | 4 | aaaaaaaaaa | 2026-11-29 | 5.2.4 |',
    ]);
    expect(text).toMatch(/^before\n/);
    expect(text).toMatch(/\nafter\n$/);
  });

  it('counts endings that the suite has no result for', () => {
    const one = { combination: 'cc-mtls-mtls', endings: [ended('m', 'GIVEN UP')], isWhole: true };
    expect(rowsOf(withResults(page, [one], facts))[0]).toContain('| 1 | 0 | 0 | 0 | 0 | 0 | 1 | 1 |');
  });

  it('replaces the rows that were run and keeps the others with their commit, in the order of the claims', () => {
    const first = withResults(page, [whole('ciba-jwt-ping'), whole('sp-mtls-mtls-openid')], facts);
    const later = { ...facts, commit: 'bbbbbbbbbb' };
    const second = withResults(first, [whole('cc-mtls-mtls'), whole('ciba-jwt-ping')], later);
    expect(rowsOf(second).map((row) => row.replace(/^\| `([\w-]+)`.*\| (\w{10}) \|.*$/, '$1 $2'))).toEqual([
      'sp-mtls-mtls-openid aaaaaaaaaa',
      'cc-mtls-mtls bbbbbbbbbb',
      'ciba-jwt-ping bbbbbbbbbb',
    ]);
    expect(withResults(second, [], later)).toBe(second);
  });

  it('has no row of a combination that was run in part', () => {
    const part = { combination: 'sp-mtls-mtls-openid', endings, isWhole: false };
    expect(rowsOf(withResults(page, [part], facts))).toEqual([]);
  });

  it('lists what is expected, with the reason', () => {
    const because = 'the customer | nobody else';
    const expected = [
      { combinations: 'sp-*', modules: '*-x', result: 'WARNING', conditions: ['C'], because },
    ] as const;
    expect(withResults(page, [], { ...facts, expected })).toContain(
      '| `sp-*` | `*-x` | WARNING `C` | the customer \\| nobody else |',
    );
  });

  it('is refused by a page without a place for it', () => {
    expect(() => withResults('# Page\n', [], facts)).toThrow(/has no <!-- results -->/);
  });
});

describe('the JUnit file', () => {
  it('has a suite for each combination, a case for each module, and a failure for each surprise', () => {
    const surprise = (_name: string, { result }: ModuleEnding) =>
      result === 'FAILED' ? 'is not expected' : undefined;
    expect(junitOf([whole('sp-mtls-mtls-openid')], surprise)).toBe(
      [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<testsuites name="conformance">',
        '  <testsuite name="sp-mtls-mtls-openid" tests="3" failures="1" time="3.8">',
        '    <testcase name="one" classname="sp-mtls-mtls-openid" time="1.3"/>',
        '    <testcase name="two" classname="sp-mtls-mtls-openid" time="1.3"><failure message="FAILED is not expected">Bad: a &lt;b> &amp; &quot;c&quot;\ufffd</failure></testcase>',
        '    <testcase name="three" classname="sp-mtls-mtls-openid" time="1.3"><skipped/></testcase>',
        '  </testsuite>',
        '</testsuites>',
        '',
      ].join('\n'),
    );
  });

  it('has a failed case for a plan that did not run', () => {
    const one = { combination: 'cc-mtls-mtls', endings: [], isWhole: false, problem: 'is refused' };
    expect(junitOf([one], () => undefined)).toContain('<failure message="is refused"></failure>');
  });
});

describe('docs/conformance.md', () => {
  const published = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8');
  const rows = rowsOf(published).map((row) => row.split('|').map((cell) => cell.trim()));

  it('has the expectations of conformance/expected.json', () => {
    const file = new URL('../../conformance/expected.json', import.meta.url);
    const expected = parseExpectations(readFileSync(file, 'utf8'), file.pathname);
    expect(withResults(published, [], { ...facts, expected })).toBe(published);
  });

  it('has a row for each combination that is claimed, without a failure but those that are expected', () => {
    expect(rows.map(([, name]) => name)).toEqual(COMBINATIONS.map(({ name }) => `\`${name}\``));
    const file = new URL('../../conformance/expected.json', import.meta.url);
    const expected = parseExpectations(readFileSync(file, 'utf8'), file.pathname);
    const expectedAs = (name: string, ending: string) =>
      expected.filter(
        ({ combinations, result }) =>
          result === ending && matchesGlob(name.replaceAll('`', ''), combinations),
      ).length;
    const failed = rows.filter(
      ([, name = '', ...cells]) =>
        (cells[5] !== '0' && expectedAs(name, 'FAILED') === 0) ||
        cells[6] !== String(expectedAs(name, 'INTERRUPTED')),
    );
    expect(failed).toEqual([]);
  });
});
