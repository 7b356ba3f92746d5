import { describe, expect, it } from 'vitest';
import { COMBINATIONS } from '../../conformance/combinations.ts';
import {
  expectationsFor,
  findSurprise,
  parseExpectations,
  surprisesOf,
} from '../../conformance/expectations.ts';
import type { ModuleEnding } from '../../conformance/module-run.ts';

const because = 'a reason that a reader understands';
const expected = parseExpectations(
  JSON.stringify([
    { combinations: 'sp-*', modules: '*-reuse', result: 'WARNING', conditions: ['Odd'], because },
    { combinations: '*', modules: '*-page', result: 'REVIEW', because },
    { combinations: '*-mtls-*', modules: '*-skip', result: 'SKIPPED', because },
    { combinations: 'far', modules: '*', result: 'FAILED', conditions: ['Absent'], because },
  ]),
  'expected.json',
);

function ended(module: string, result: string, ...conditions: readonly string[]): ModuleEnding {
  const remarks = conditions.map((condition) => ({
    result: result === 'FAILED' ? 'FAILURE' : 'WARNING',
    condition,
    message: '',
    requirements: [],
  }));
  return { module, id: 'x', result, seconds: 1, remarks, log: [] };
}

describe('an ending against what is expected', () => {
  it.each([
    ['passed, and nothing else is expected', 'sp-a', ended('m-happy', 'PASSED'), undefined],
    ['the expected warning', 'sp-a', ended('m-reuse', 'WARNING', 'Odd'), undefined],
    ['the same condition twice', 'sp-a', ended('m-reuse', 'WARNING', 'Odd', 'Odd'), undefined],
    ['an expected page', 'x', ended('m-page', 'REVIEW'), undefined],
    ['an expected skip', 'x-mtls-y', ended('m-skip', 'SKIPPED'), undefined],
    ['a failure', 'sp-a', ended('m-happy', 'FAILED', 'Bad'), /is not expected/],
    [
      'a failure where a warning is expected',
      'sp-a',
      ended('m-reuse', 'FAILED', 'Odd'),
      /expected as WARNING/,
    ],
    ['a failure of the expected condition', 'far', ended('m-happy', 'FAILED', 'Absent'), undefined],
    [
      'another failed condition beside it',
      'far',
      ended('m-happy', 'FAILED', 'Absent', 'Bad'),
      /not expected: Bad/,
    ],
    ['a pass where a warning is expected', 'sp-a', ended('m-reuse', 'PASSED'), /better than expected/],
    ['a skip in another combination', 'x-dpop-y', ended('m-skip', 'SKIPPED'), /is not expected/],
    ['another condition beside it', 'sp-a', ended('m-reuse', 'WARNING', 'Odd', 'New'), /not expected: New/],
    ['another condition in its place', 'sp-a', ended('m-reuse', 'WARNING', 'New'), /not expected: New/],
    ['a warning without its condition', 'sp-a', ended('m-reuse', 'WARNING'), /passed conditions.*Odd/],
    ['a page with a failed condition', 'x', ended('m-page', 'REVIEW', 'Bad'), /not expected: Bad/],
    ['a module that was given up', 'x', ended('m-happy', 'GIVEN UP'), /is not expected/],
    ['an interrupted module', 'x', ended('m-page', 'INTERRUPTED'), /expected as REVIEW/],
  ] as const)('%s', (_title, combination, ending, surprise) => {
    const found = findSurprise(combination, ending, expected);
    if (surprise === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(surprise);
  });
});

describe('the surprises of a run', () => {
  const [page] = expected.slice(1);
  const onlyPage = page === undefined ? [] : [page];
  const everything = COMBINATIONS.map(({ name }) => ({ combination: name, endings: [], isWhole: true }));

  it('are unexpected endings, plans that did not run, and expectations of no use', () => {
    const endings = [ended('m-happy', 'FAILED', 'Bad')];
    const all = everything.map((one, at) => (at === 0 ? { ...one, endings, problem: 'is refused' } : one));
    expect(surprisesOf(all, onlyPage)).toEqual([
      'sp-mtls-mtls-openid m-happy: FAILED is not expected',
      'sp-mtls-mtls-openid: is refused',
      'an expectation is of no use: * *-page',
    ]);
  });

  it('have no expectation that a combination which was not run whole could have used', () => {
    expect(surprisesOf(everything.slice(1), onlyPage)).toEqual([]);
    const cut = everything.map((one, at) => ({ ...one, isWhole: at !== 3 }));
    expect(surprisesOf(cut, onlyPage)).toEqual([]);
  });

  it('have no expectation that one module of any combination has used', () => {
    const endings = [ended('m-page', 'REVIEW')];
    const all = everything.map((one, at) => (at === 5 ? { ...one, endings } : one));
    expect(surprisesOf(all, onlyPage)).toEqual([]);
  });
});

describe('the file of expectations', () => {
  it('may speak of a run with some keys only', () => {
    const entry = { combinations: '*', modules: '*', result: 'SKIPPED', because };
    const text = JSON.stringify([entry, { ...entry, keys: ['ES256', 'EdDSA'] }]);
    const all = parseExpectations(text, 'expected.json');
    expect(expectationsFor(all, 'PS256')).toHaveLength(1);
    expect(expectationsFor(all, 'ES256')).toHaveLength(2);
  });

  it.each([
    ['a failure without its conditions', { combinations: '*', modules: '*', result: 'FAILED', because }],
    ['no reason', { combinations: '*', modules: '*', result: 'WARNING' }],
    ['a reason in a word', { combinations: '*', modules: '*', result: 'WARNING', because: 'known' }],
    ['a member of another name', { combinations: '*', module: '*', result: 'WARNING', because }],
  ])('cannot have %s', (_title, entry) => {
    expect(() => parseExpectations(JSON.stringify([entry]), 'expected.json')).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }),
    );
  });
});
