import { describe, expect, it } from 'vitest';
import * as factory from '../certificate-factory.ts';
import { general, issue, NOW } from '../certificate-factory.ts';
import * as lists from './crl-factory.ts';
import { entry, point } from './crl-factory.ts';
import {
  issuer,
  judge,
  later,
  leaf,
  type List,
  listed,
  type Question,
  type Row,
  serialOf,
  statusIn,
  statusOf,
} from './crl-question.ts';
import * as der from '../der-writer.ts';

const URI = general.uri('http://ca.example/list.crl');

describe('changes to a list (RFC 5280 section 5.2.4, 5.2.6, 6.3.3 (c))', () => {
  const base = (entries: readonly Buffer[] = [], number = 5): List => ({
    entries,
    extensions: [lists.crlNumber(number)],
  });
  const delta = (
    entries: readonly Buffer[] = [],
    numbers = { base: 4, own: 6 },
    extra: Buffer[] = [],
  ): List => ({
    entries,
    extensions: [lists.deltaIndicator(numbers.base), lists.crlNumber(numbers.own), ...extra],
  });
  const fresh = issue('end entity', 'tpp', {
    issuer,
    extra: [lists.freshest(der.sequence(point.fullName(URI)))],
  });
  const named = (reason: number): Buffer => entry({ serial: serialOf(fresh), reason });
  const freshList: List = {
    extensions: [lists.freshest(der.sequence(point.fullName(URI))), lists.crlNumber(5)],
  };
  const ask = (...some: List[]): Question => ({ leaf: fresh, lists: some });

  it.each<Row>([
    {
      what: 'a certificate that asks for them, without any',
      twin: ask(base(), delta()),
      question: ask(base()),
      expected: 'unknown',
    },
    {
      what: 'a certificate that asks for them, without any, and is named already',
      twin: ask(base(), delta()),
      question: ask(base([named(6)])),
      expected: 'revoked',
    },
    {
      what: 'a list that asks for them, without any',
      twin: { lists: [freshList, delta()] },
      question: { lists: [freshList] },
      expected: 'unknown',
    },
    { what: 'changes alone', twin: ask(base(), delta()), question: ask(delta()), expected: 'unknown' },
    {
      what: 'changes that name it',
      twin: ask(base(), delta()),
      question: ask(base(), delta([named(1)])),
      expected: 'revoked',
    },
    {
      what: 'changes to a later list',
      twin: ask(base(), delta([], { base: 5, own: 6 })),
      question: ask(base(), delta([], { base: 6, own: 7 })),
      expected: 'unknown',
    },
    {
      what: 'changes before the list',
      twin: ask(base(), delta([], { base: 3, own: 5 })),
      question: ask(base(), delta([], { base: 3, own: 4 })),
      expected: 'unknown',
    },
    {
      what: 'changes without a number',
      twin: ask(base(), delta()),
      question: ask(base(), { extensions: [lists.deltaIndicator(4)] }),
      expected: 'unknown',
    },
    {
      what: 'changes of another scope',
      twin: ask(base(), delta()),
      question: ask(base(), delta([], { base: 4, own: 6 }, [lists.issuingPoint(point.onlyUser)])),
      expected: 'unknown',
    },
    {
      what: 'changes past their next update',
      twin: ask(base(), delta()),
      question: ask(base(), { ...delta(), nextUpdate: later(NOW, -1) }),
      expected: 'unknown',
    },
    {
      what: 'changes with a critical extension',
      twin: ask(base(), delta()),
      question: ask(
        base(),
        delta([], { base: 4, own: 6 }, [factory.extension('1.2.3.4', der.nothing, true)]),
      ),
      expected: 'unknown',
    },
    {
      what: 'changes by another authority with its name',
      twin: ask(base(), delta()),
      question: ask(base(), { ...delta(), issuer: issue('authority', 'issuing') }),
      expected: 'unknown',
    },
    {
      what: 'the newest changes, which name it',
      twin: ask(base(), delta([named(1)]), delta([named(8)], { base: 4, own: 7 })),
      question: ask(base(), delta([named(1)], { base: 4, own: 7 }), delta()),
      expected: 'revoked',
    },
    {
      what: 'a hold that is taken back, and one that stays',
      twin: ask(base([named(6)]), delta([named(8)])),
      question: ask(base([named(6)]), delta()),
      expected: 'revoked',
    },
    {
      what: 'a revocation that was no hold and is taken back',
      twin: ask(base([named(6)]), delta([named(8)])),
      question: ask(base([named(1)]), delta([named(8)])),
      expected: 'revoked',
    },
    {
      what: 'taken back and revoked by the same changes',
      twin: ask(base(), delta([named(8)])),
      question: ask(base(), delta([named(8), named(1)])),
      expected: 'revoked',
    },
  ])('F8, F9: $what', judge);

  it('F8: does without changes where that is allowed, and heeds them still', () => {
    expect(statusIn({ ...ask(base()), deltas: 'optional' })).toBe('good');
    expect(statusIn({ ...ask(base(), delta([named(1)])), deltas: 'optional' })).toBe('revoked');
  });

  it('F8: dates the answer by the changes', () => {
    const at = later(NOW, -60);
    expect(statusOf(ask(base(), { ...delta(), thisUpdate: at }))).toMatchObject({ thisUpdate: at });
  });
});

describe('entries (RFC 5280 section 5.3)', () => {
  const serials: readonly (readonly [string, string])[] = [
    ['of one octet', '05'],
    ['of three octets', '0102ff'],
    ['whose first bit is set, which DER writes with a zero in front', '80ff000000000001'],
    ['of twenty octets', '7f'.padEnd(40, 'e')],
  ];

  it.each(serials)('F9: finds a serial number %s', (_what, serial) => {
    const certificate = issue('end entity', 'tpp', {
      issuer,
      raw: { serial: der.integer(BigInt(`0x${serial}`)) },
    });
    const next = (BigInt(`0x${serial}`) + 1n).toString(16).padStart(serial.length, '0');
    expect(statusIn({ leaf: certificate, lists: [{ entries: [entry({ serial })] }] })).toBe('revoked');
    expect(statusIn({ leaf: certificate, lists: [{ entries: [entry({ serial: next })] }] })).toBe('good');
  });

  it.each([
    [0, 'unspecified'],
    [6, 'certificateHold'],
    [8, 'removeFromCRL'],
    [10, 'aACompromise'],
  ])('F9: reason %i in a complete list is a revocation', (reason, name) => {
    expect(statusOf({ lists: [{ entries: [listed(reason)] }] })).toMatchObject({
      status: 'revoked',
      reason: name,
    });
  });

  it('F9: of two entries about one certificate the earlier counts', () => {
    const early = new Date('2026-04-01T00:00:00Z');
    const twice = [listed(1), entry({ serial: serialOf(leaf), reason: 4, revokedAt: early }), listed(5)];
    expect(statusOf({ lists: [{ entries: twice }] })).toMatchObject({
      revokedAt: early,
      reason: 'superseded',
    });
  });
});

describe('mistakes of the issuer (RFC 5280 section 5.2)', () => {
  const number = lists.crlNumber(1);
  const not = (oid: string, value: Buffer, critical: boolean): List => ({
    extensions: [number, factory.extension(oid, value, critical)],
  });
  const idp = der.sequence(point.onlyUser);
  const key = der.sequence(der.field(0, factory.keyIdOf(issuer.keys.publicKey)));
  const fresh = der.sequence(der.sequence(point.fullName(URI)));
  const change = not('2.5.29.27', der.integer(1), true);

  it.each<Row>([
    {
      what: 'a list without a number',
      twin: { lists: [{ extensions: [number] }] },
      question: { lists: [{ extensions: [] }] },
      expected: 'unknown',
    },
    {
      what: 'a number that is critical',
      question: { lists: [{ extensions: [factory.extension('2.5.29.20', der.integer(1), true)] }] },
      expected: 'unknown',
    },
    {
      what: 'an issuing distribution point that is not critical',
      twin: { lists: [not('2.5.29.28', idp, true)] },
      question: { lists: [not('2.5.29.28', idp, false)] },
      expected: 'unknown',
    },
    {
      what: 'a key identifier that is critical',
      twin: { lists: [not('2.5.29.35', key, false)] },
      question: { lists: [not('2.5.29.35', key, true)] },
      expected: 'unknown',
    },
    {
      what: 'a freshest point that is critical',
      twin: { lists: [not('2.5.29.46', fresh, false)], deltas: 'optional' },
      question: { lists: [not('2.5.29.46', fresh, true)], deltas: 'optional' },
      expected: 'unknown',
    },
    {
      what: 'changes that are not marked so critically',
      twin: { lists: [{ extensions: [number] }, change] },
      question: { lists: [{ extensions: [number] }, not('2.5.29.27', der.integer(1), false)] },
      expected: 'unknown',
    },
  ])('F24: $what', (row) => {
    judge(row);
    expect(statusIn({ ...row.question, issuance: 'path' })).toBe('good');
  });

  it('F24: do not make a revoked certificate less revoked', () => {
    expect(statusIn({ lists: [{ extensions: [], entries: [listed()] }] })).toBe('revoked');
  });
});
