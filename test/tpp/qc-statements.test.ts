import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../src/errors.ts';
import { parseQcStatements, type Tolerance } from '../../src/tpp/qc-statements.ts';
import * as der from '../x509/der-writer.ts';
import { outcomeOf } from '../x509/refusals.ts';

const statement = (id: string, ...info: readonly Buffer[]): Buffer => der.sequence(der.oid(id), ...info);
const role = (arc: string, name: string): Buffer[] => [der.oid(`0.4.0.19495.1.${arc}`), der.utf8(name)];
const AI = role('3', 'PSP_AI');
const PI = role('2', 'PSP_PI');
const roleList = (...roles: readonly Buffer[][]): Buffer =>
  der.sequence(...roles.map((pair) => der.sequence(...pair)));
const psd2 = (roles: Buffer, name: Buffer = der.utf8('Authority'), id: Buffer = der.utf8('GB-FCA')): Buffer =>
  statement('0.4.0.19495.2', der.sequence(roles, name, id));
const list = (...statements: readonly Buffer[]): Buffer => der.sequence(...statements);
const COMPLIANCE = statement('0.4.0.1862.1.1');
const type = (...arcs: readonly number[]): Buffer =>
  statement('0.4.0.1862.1.6', der.sequence(...arcs.map((arc) => der.oid(`0.4.0.1862.1.6.${arc}`))));
const pds = (url: Buffer, language: Buffer): Buffer =>
  statement('0.4.0.1862.1.5', der.sequence(der.sequence(url, language)));

function problemOf(bytes: Buffer, tolerate: readonly Tolerance[] = []): string {
  try {
    parseQcStatements(bytes, 'CN=x', tolerate);
    return 'accepted';
  } catch (error) {
    if (isRefusal(error, 'ERR_TPP_STATEMENT_INVALID')) return error.details.problem;
    throw error;
  }
}

describe('QCStatements (EN 319 412-5, RFC 3739 §3.2.6)', () => {
  it('are read in full', () => {
    const bytes = list(
      COMPLIANCE,
      type(3),
      statement('0.4.0.1862.1.2', der.sequence(der.printable('EUR'), der.integer(15), der.integer(3))),
      statement('0.4.0.1862.1.3', der.integer(7)),
      statement('0.4.0.1862.1.4'),
      pds(der.ia5('https://qtsp.example/pds.pdf'), der.printable('en')),
      statement('0.4.0.1862.1.7', der.sequence(der.printable('GB'), der.printable('CH'))),
      psd2(roleList(PI, AI)),
    );
    expect(parseQcStatements(bytes, 'CN=x')).toEqual({
      isQualified: true,
      types: ['web'],
      limit: { currency: 'EUR', amount: 15, exponent: 3 },
      retentionYears: 7,
      hasSecureDevice: true,
      disclosures: [{ url: 'https://qtsp.example/pds.pdf', language: 'en' }],
      legislation: ['GB', 'CH'],
      psd2: {
        roles: ['PSP_PI', 'PSP_AI'],
        roleNames: ['PSP_PI', 'PSP_AI'],
        nca: { id: 'GB-FCA', name: 'Authority' },
      },
      tolerated: [],
    });
  });

  it('may hold statements that nobody here knows, and need none of those that are known', () => {
    const bytes = list(statement('1.2.3.4', der.nothing), statement('1.3.6.1.5.5.7.11.2'));
    expect(parseQcStatements(bytes, 'CN=x')).toEqual({
      isQualified: false,
      types: [],
      hasSecureDevice: false,
      legislation: [],
      disclosures: [],
      tolerated: [],
    });
  });

  it('keep several types apart, and one that is not known', () => {
    expect(parseQcStatements(list(type(1, 2, 9)), 'CN=x').types).toEqual([
      'esign',
      'eseal',
      '0.4.0.1862.1.6.9',
    ]);
  });

  it.each<[title: string, bytes: Buffer, problem: RegExp]>([
    ['nothing at all', Buffer.alloc(0), /tag 0x30 expected/],
    ['an empty list', list(), /list is empty/],
    ['bytes behind the list', Buffer.concat([list(COMPLIANCE), Buffer.from([5, 0])]), /bytes follow/],
    ['a statement twice', list(COMPLIANCE, COMPLIANCE), /there twice/],
    ['the PSD2 statement twice', list(psd2(roleList(AI)), psd2(roleList(AI))), /there twice/],
    ['a third element in a statement', list(statement('1.2.3', der.nothing, der.nothing)), /bytes follow/],
    ['QcCompliance with a value', list(statement('0.4.0.1862.1.1', der.nothing)), /QcCompliance holds/],
    ['QcSSCD with a value', list(statement('0.4.0.1862.1.4', der.nothing)), /QcSSCD holds a value/],
    ['QcType without a value', list(statement('0.4.0.1862.1.6')), /QcType holds no value/],
    ['QcType with no type', list(type()), /QcType: list is empty/],
    ['QcType with a type twice', list(type(3, 3)), /QcType: a type is there twice/],
    ['QcPDS that is no list', list(statement('0.4.0.1862.1.5', der.ia5('https:'))), /QcPDS: is no SEQUENCE/],
    ['QcPDS with a number for a text', list(pds(der.integer(1), der.printable('en'))), /QcPDS: a text/],
    ['QcCClegislation of UTF8', list(statement('0.4.0.1862.1.7', der.sequence(der.utf8('GB')))), /QcCCleg/],
    [
      'QcCClegislation of a word',
      list(statement('0.4.0.1862.1.7', der.sequence(der.printable('EU1')))),
      /cap/,
    ],
    ['QcRetentionPeriod of text', list(statement('0.4.0.1862.1.3', der.utf8('7'))), /QcRetentionPeriod/],
    [
      'QcLimitValue of no currency',
      list(statement('0.4.0.1862.1.2', der.sequence(der.nothing, der.integer(1), der.integer(1)))),
      /QcLimitValue: the currency/,
    ],
    [
      'QcLimitValue of an exponent that no amount has',
      list(
        statement('0.4.0.1862.1.2', der.sequence(der.printable('EUR'), der.integer(1), der.integer(1000))),
      ),
      /QcLimitValue: the exponent/,
    ],
    [
      'more statements than any certificate has',
      list(...Array.from({ length: 33 }, (_, at) => statement(`1.2.${at}`))),
      /too many/,
    ],
  ])('with %s are refused', (_title, bytes, problem) => {
    expect(problemOf(bytes)).toMatch(problem);
  });

  it('throw nothing but their own refusal, whatever the bytes', () => {
    const good = list(
      COMPLIANCE,
      type(3),
      pds(der.ia5('https://x'), der.printable('en')),
      psd2(roleList(PI, AI)),
    );
    const bytes = fc.uint8Array({ maxLength: 80 }).map((tail) => der.sequence(tail));
    const mutants = fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
      .map((changes) => changes.reduce((so, [at, octet]) => so.fill(octet, at, at + 1), Buffer.from(good)));
    const tolerate: Tolerance[] = ['flat-roles', 'missing-outer-sequence'];
    fc.assert(
      fc.property(fc.oneof(bytes, mutants), (value) => {
        outcomeOf(() => parseQcStatements(Buffer.from(value), 'CN=x'));
        outcomeOf(() => parseQcStatements(Buffer.from(value), 'CN=x', tolerate));
      }),
      { seed: 412, numRuns: 4000 },
    );
  });
});

describe('the PSD2 statement (TS 119 495 cl. 5.1, 5.2)', () => {
  it.each<[title: string, bytes: Buffer, problem: RegExp]>([
    ['no role (GEN-5.2.2-1)', psd2(roleList()), /roles are empty/],
    ['a role twice', psd2(roleList(AI, AI)), /role is there twice/],
    [
      'the name of another role (REG-5.2.2-5)',
      psd2(roleList(role('3', 'PSP_AS'))),
      /does not go by its name/,
    ],
    ['a name of its own', psd2(roleList(role('3', 'Account Information'))), /does not go by its name/],
    ['a name in small letters', psd2(roleList(role('3', 'psp_ai'))), /does not go by its name/],
    ['a known name under an unknown role', psd2(roleList(role('77', 'PSP_AI'))), /does not go by its name/],
    ['another name for Unspecified', psd2(roleList(role('0', 'Unknown'))), /does not go by its name/],
    ['another name for VOP_RS', psd2(roleList(role('51', 'VOP_VS'))), /does not go by its name/],
    ['Unspecified beside a role', psd2(roleList(role('0', 'Unspecified'), AI)), /Unspecified stands beside/],
    [
      '17 roles',
      psd2(roleList(...Array.from({ length: 17 }, (_, at) => role(`${at + 60}`, `X${at}`)))),
      /too many/,
    ],
    [
      'a PrintableString role name',
      psd2(roleList([der.oid('0.4.0.19495.1.3'), der.printable('PSP_AI')])),
      /UTF8/,
    ],
    [
      'a PrintableString NCAName',
      psd2(roleList(AI), der.printable('Authority')),
      /NCAName is not a UTF8String/,
    ],
    ['an empty NCAName', psd2(roleList(AI), der.utf8('')), /NCAName is not 1 to 256/],
    [
      'an NCAName of 257 characters',
      psd2(roleList(AI), der.utf8('x'.repeat(257))),
      /NCAName is not 1 to 256/,
    ],
    ['an NCAName in Greek (GEN-5.2.3-1)', psd2(roleList(AI), der.utf8('Τράπεζα της Ελλάδος')), /Latin/],
    ['an NCAName with a line break', psd2(roleList(AI), der.utf8('Bank\nof')), /Latin/],
    ['an NCAName that turns the writing round', psd2(roleList(AI), der.utf8('Bank\u202eof')), /Latin/],
    ['an NCAName that is not UTF-8', psd2(roleList(AI), der.tlv(0x0c, Buffer.from([0xc3]))), /not UTF-8/],
    [
      'an NCAId without a country (GEN-5.2.3-2)',
      psd2(roleList(AI), undefined, der.utf8('BE')),
      /NCAId is not a country/,
    ],
    ['an NCAId without a hyphen', psd2(roleList(AI), undefined, der.utf8('NLDNB')), /NCAId is not a country/],
    [
      'an NCAId with small letters',
      psd2(roleList(AI), undefined, der.utf8('NL-Dnb')),
      /NCAId is not a country/,
    ],
    [
      'an NCAId as registers write it',
      psd2(roleList(AI), undefined, der.utf8('FI_FINFSA')),
      /NCAId is not a country/,
    ],
    [
      'an NCAId of no country',
      psd2(roleList(AI), undefined, der.utf8('XY-DNB')),
      /no country of ISO 3166-1: XY/,
    ],
    [
      'an NCAId of 9 letters',
      psd2(roleList(AI), undefined, der.utf8('NL-ABCDEFGHI')),
      /NCAId is not a country/,
    ],
    [
      'NA beside a role that has an authority',
      psd2(roleList(AI), der.utf8('NA'), der.utf8('NA')),
      /NCAId is not a country/,
    ],
    [
      'a central bank under an authority',
      psd2(roleList(role('5', 'PSP_CB'))),
      /NCAName and NCAId are not NA/,
    ],
    [
      'a central bank with another role',
      psd2(roleList(role('5', 'PSP_CB'), AI), der.utf8('NA'), der.utf8('NA')),
      /NA/,
    ],
    [
      'a fourth field',
      statement('0.4.0.19495.2', der.sequence(roleList(AI), der.utf8('A'), der.utf8('GB-FCA'), der.nothing)),
      /bytes follow/,
    ],
    ['no value', statement('0.4.0.19495.2'), /PSD2 statement holds no value/],
  ])('with %s is refused (G9)', (_title, bytes, problem) => {
    expect(problemOf(list(COMPLIANCE, bytes))).toMatch(problem);
  });

  it('takes a name with the letters of any Latin language', () => {
    for (const name of [
      'Banco de España',
      'Finanstilsynet',
      'Česká národní banka',
      "Banque d'Italie (1893)",
    ]) {
      expect(problemOf(list(psd2(roleList(AI), der.utf8(name))))).toBe('accepted');
    }
  });

  it('takes roles that grant nothing, and grants nothing for them (V1.8.1)', () => {
    const na = der.utf8('NA');
    for (const bytes of [
      psd2(roleList(role('0', 'Unspecified'))),
      psd2(roleList(role('51', 'VOP_RS'), role('52', 'VOP_VS'))),
      psd2(roleList(role('5', 'PSP_CB')), na, na),
      psd2(roleList(role('6', 'PSP_PA')), na, na),
      psd2(roleList(role('77', 'XX_YY'))),
    ]) {
      expect(parseQcStatements(list(bytes), 'CN=x').psd2?.roles).toEqual([]);
    }
    const mixed = parseQcStatements(list(psd2(roleList(AI, role('51', 'VOP_RS')))), 'CN=x').psd2;
    expect(mixed).toMatchObject({ roles: ['PSP_AI'], roleNames: ['PSP_AI', 'VOP_RS'] });
  });

  const outer = list(psd2(roleList(AI)));
  const single = psd2(roleList(AI));
  it.each<[encoding: Tolerance, title: string, bytes: Buffer, roles: readonly string[]]>([
    [
      'flat-roles',
      'in one flat SEQUENCE',
      list(psd2(der.sequence(der.sequence(...PI, ...AI)))),
      ['PSP_PI', 'PSP_AI'],
    ],
    [
      'flat-roles',
      'without a SEQUENCE of their own',
      list(psd2(der.sequence(...PI, ...AI))),
      ['PSP_PI', 'PSP_AI'],
    ],
    ['missing-outer-sequence', 'in a statement without a list', single, ['PSP_AI']],
  ])(
    '%s: roles %s are refused by name, or let pass by a setting and said so (G9)',
    (encoding, _title, bytes, roles) => {
      const other: Tolerance = encoding === 'flat-roles' ? 'missing-outer-sequence' : 'flat-roles';
      expect(problemOf(bytes)).toContain(`(${encoding})`);
      expect(problemOf(bytes, [other])).toContain(`(${encoding})`);
      const read = parseQcStatements(bytes, 'CN=x', [encoding]);
      expect(read).toMatchObject({ psd2: { roles }, tolerated: [encoding] });
      expect(parseQcStatements(outer, 'CN=x', [encoding]).tolerated).toEqual([]);
    },
  );

  it('in a tolerated encoding is held to every other rule', () => {
    const tolerate: Tolerance[] = ['flat-roles', 'missing-outer-sequence'];
    const flat = (...pairs: readonly Buffer[][]) => list(psd2(der.sequence(der.sequence(...pairs.flat()))));
    expect(problemOf(flat(PI, PI), tolerate)).toMatch(/there twice/);
    expect(problemOf(flat(PI, role('3', 'PSP_AS')), tolerate)).toMatch(/does not go by its name/);
    expect(problemOf(flat(PI, [der.oid('1.2.3')]), tolerate)).toMatch(/cut off/);
    expect(problemOf(Buffer.concat([single, single]), tolerate)).toMatch(/bytes follow/);
  });
});
