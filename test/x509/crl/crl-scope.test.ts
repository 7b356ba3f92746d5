import { describe, expect, it } from 'vitest';
import * as factory from '../certificate-factory.ts';
import { general, issue, NOW } from '../certificate-factory.ts';
import * as lists from './crl-factory.ts';
import { entry, point } from './crl-factory.ts';
import {
  authority,
  issuer,
  judge,
  later,
  type List,
  listed,
  type Question,
  type Row,
  statusIn,
  statusOf,
  withPoint,
} from './crl-question.ts';
import * as der from '../der-writer.ts';

const URI = general.uri('http://ca.example/list.crl');
const pointed = withPoint(point.fullName(URI));

describe('what a list is about (RFC 5280 section 5.2.5, 6.3.3 (b))', () => {
  const idp = (...parts: Buffer[]): List => ({
    extensions: [lists.crlNumber(1), lists.issuingPoint(...parts)],
  });
  const other = point.fullName(general.uri('http://ca.example/other.crl'));
  const cn = (text: string): Buffer => der.sequence(der.oid('2.5.4.3'), der.utf8(text));
  const relative = withPoint(point.relativeName(cn('part 1')));
  const directory = (name: string): Buffer =>
    point.fullName(
      general.directory(
        factory.name(
          [['2.5.4.6', der.printable('GB')]],
          [['2.5.4.10', der.utf8('Acme')]],
          [['2.5.4.3', der.utf8('issuing')]],
          [['2.5.4.3', der.utf8(name)]],
        ),
      ),
    );
  const v1 = issue('end entity', 'tpp', {
    issuer,
    raw: { version: Buffer.alloc(0), extensions: Buffer.alloc(0) },
  });

  it.each<Row>([
    {
      what: 'end entities only, asked about an authority',
      twin: { lists: [idp(point.onlyUser)] },
      question: { leaf: authority, lists: [idp(point.onlyUser)] },
      expected: 'unknown',
    },
    {
      what: 'end entities only, asked about a certificate of version 1',
      twin: { leaf: v1 },
      question: { leaf: v1, lists: [idp(point.onlyUser)] },
      expected: 'unknown',
    },
    {
      what: 'authorities only, asked about an end entity',
      twin: { leaf: authority, lists: [idp(point.onlyCa)] },
      question: { lists: [idp(point.onlyCa)] },
      expected: 'unknown',
    },
    {
      what: 'attribute certificates only',
      question: { lists: [idp(point.onlyAttribute)] },
      expected: 'unknown',
    },
    {
      what: 'indirect',
      twin: { leaf: pointed, lists: [idp(point.fullName(URI))] },
      question: { leaf: pointed, lists: [idp(point.fullName(URI), point.indirect)] },
      expected: 'unknown',
    },
    {
      what: 'of another distribution point',
      twin: { leaf: pointed, lists: [idp(point.fullName(URI))] },
      question: { leaf: pointed, lists: [idp(other)] },
      expected: 'unknown',
    },
    {
      what: 'of a distribution point, asked about a certificate that has none',
      question: { lists: [idp(point.fullName(URI))] },
      expected: 'unknown',
    },
    {
      what: 'of a name that is relative to the issuer',
      twin: { leaf: relative, lists: [idp(directory('Part 1'))] },
      question: { leaf: relative, lists: [idp(directory('part 2'))] },
      expected: 'unknown',
    },
    {
      what: 'of another CRL issuer, says the certificate',
      twin: { leaf: pointed },
      question: {
        leaf: withPoint(point.fullName(URI), point.crlIssuer(general.directory(factory.named('lists')))),
      },
      expected: 'unknown',
    },
  ])('F6: $what', judge);

  it('F6: a list of the issuer’s own point serves a certificate that names none', () => {
    const own = point.fullName(general.directory(issuer.name));
    expect(statusIn({ lists: [idp(own)] })).toBe('good');
  });

  it('F6: a name in the certificate and another in the list still meet when one of several is shared', () => {
    const two = point.fullName(general.uri('http://ca.example/other.crl'), URI);
    expect(statusIn({ leaf: pointed, lists: [idp(two)] })).toBe('good');
  });
});

describe('a list in parts, by reasons (RFC 5280 section 6.3.3 (d), (l))', () => {
  const compromise = [1, 2];
  const rest = [3, 4, 5, 6, 7, 8];
  const part = (reasons: readonly number[], entries: readonly Buffer[] = []): List => ({
    extensions: [lists.crlNumber(1), lists.issuingPoint(point.onlySomeReasons(...reasons))],
    entries,
  });
  const halves = withPoint(point.fullName(URI), point.reasons(...compromise));

  it.each<Row>([
    {
      what: 'one part alone',
      twin: { lists: [part(compromise), part(rest)] },
      question: { lists: [part(compromise)] },
      expected: 'unknown',
    },
    {
      what: 'parts that leave out one reason',
      twin: { lists: [part(compromise), part(rest)] },
      question: { lists: [part(compromise), part(rest.slice(1))] },
      expected: 'unknown',
    },
    {
      what: 'parts of which one names it',
      twin: { lists: [part(compromise), part(rest)] },
      question: { lists: [part(compromise), part(rest, [listed(4)])] },
      expected: 'revoked',
    },
    {
      what: 'one part that names it, without the others',
      question: { lists: [part(rest, [listed(4)])] },
      expected: 'revoked',
    },
    {
      what: 'a complete list, of a point that the certificate names for some reasons only',
      question: { leaf: halves },
      expected: 'unknown',
    },
  ])('F6: $what', judge);

  it('F6: the answer is good until the first part’s next update', () => {
    const soon = later(NOW, 60);
    const parts = [part(compromise), { ...part(rest), nextUpdate: soon }];
    expect(statusOf({ lists: parts })).toMatchObject({ status: 'good', nextUpdate: soon });
  });
});

describe('critical extensions (RFC 5280 section 5.2, 5.3)', () => {
  const unknown = (critical: boolean): Buffer => factory.extension('1.2.3.4', der.nothing, critical);
  const elsewhere = (...extra: Buffer[]): Question => ({
    lists: [{ entries: [entry({ serial: '77', extra })] }],
  });
  const certificateIssuer = factory.extension(
    '2.5.29.29',
    der.sequence(general.directory(factory.named('other'))),
    true,
  );

  it.each<Row>([
    {
      what: 'an unknown one of the list',
      twin: { lists: [{ extensions: [lists.crlNumber(1), unknown(false)] }] },
      question: { lists: [{ extensions: [lists.crlNumber(1), unknown(true)] }] },
      expected: 'unknown',
    },
    {
      what: 'an unknown one of an entry about another certificate',
      twin: elsewhere(unknown(false)),
      question: elsewhere(unknown(true)),
      expected: 'unknown',
    },
    {
      what: 'an entry of another certificate issuer (F9)',
      twin: elsewhere(),
      question: elsewhere(certificateIssuer),
      expected: 'unknown',
    },
  ])('F7: $what', judge);
});
