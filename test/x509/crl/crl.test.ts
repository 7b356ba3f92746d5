import { describe, expect, it } from 'vitest';
import { crlStatus } from '../../../src/x509/crl/crl.ts';
import * as factory from '../certificate-factory.ts';
import { issue, NOW, type Party } from '../certificate-factory.ts';
import * as lists from './crl-factory.ts';
import { crl, entry } from './crl-factory.ts';
import {
  issuer,
  judge,
  later,
  leaf,
  listed,
  type Question,
  type Row,
  serialOf,
  statusIn,
  statusOf,
} from './crl-question.ts';
import * as der from '../der-writer.ts';

describe('a certificate and its list (RFC 5280 section 6.3)', () => {
  it('F1: is good when a current list of its issuer does not name it, until the list’s next update', () => {
    const other = entry({ serial: '7777' });
    expect(statusOf({ lists: [{ entries: [other] }] })).toEqual({
      status: 'good',
      source: 'crl',
      thisUpdate: lists.THIS_UPDATE,
      nextUpdate: lists.NEXT_UPDATE,
    });
  });

  it('F1: is revoked when the list names it, with date and reason', () => {
    const entries = [entry({ serial: '7777' }), entry({ serial: serialOf(leaf), reason: 1 })];
    expect(statusOf({ lists: [{ entries }] })).toEqual({
      status: 'revoked',
      source: 'crl',
      revokedAt: lists.REVOKED_AT,
      reason: 'keyCompromise',
    });
  });

  it('is unknown without any list', () => {
    expect(statusOf({ lists: [] })).toEqual({
      status: 'unknown',
      source: 'crl',
      problem: 'there is no complete list of its issuer',
    });
  });
});

describe('the dates of a list (RFC 5280 section 5.1.2.4, 5.1.2.5)', () => {
  it.each<Row>([
    {
      what: 'a list of the future',
      twin: { lists: [{ thisUpdate: NOW }] },
      question: { lists: [{ thisUpdate: later(NOW, 1) }] },
      expected: 'unknown',
    },
    {
      what: 'a list past its next update',
      twin: { lists: [{ nextUpdate: NOW }] },
      question: { lists: [{ nextUpdate: later(NOW, -1) }] },
      expected: 'unknown',
    },
    {
      what: 'a stale list that names the certificate as on hold',
      question: { lists: [{ nextUpdate: later(NOW, -1), entries: [listed(6)] }] },
      expected: 'unknown',
    },
    {
      what: 'a stale list that names the certificate: nothing takes a revocation back',
      question: { lists: [{ nextUpdate: later(NOW, -1), entries: [listed()] }] },
      expected: 'revoked',
    },
    {
      what: 'a list without a next update, where no greatest age is set',
      twin: { lists: [{ nextUpdate: undefined }], maxAgeSeconds: 86_400 },
      question: { lists: [{ nextUpdate: undefined }] },
      expected: 'unknown',
    },
    {
      what: 'a list older than is allowed',
      twin: { maxAgeSeconds: 43_200 },
      question: { maxAgeSeconds: 43_199 },
      expected: 'unknown',
    },
    { what: 'a time that is none', question: { at: new Date(Number.NaN) }, expected: 'unknown' },
  ])('F4: $what', judge);

  it('F25: the entries of a list without a next update are not lost', () => {
    const question = { lists: [{ nextUpdate: undefined, entries: [listed()] }], maxAgeSeconds: 86_400 };
    expect(statusIn(question)).toBe('revoked');
  });

  it('either form of time is read, as readers must (section 4.1.2.5)', () => {
    const general = (text: string): Buffer => der.tlv(0x18, Buffer.from(text));
    const raw = { thisUpdate: general('20260615000000Z'), nextUpdate: general('20260616000000Z') };
    expect(statusIn({ lists: [{ raw }] })).toBe('good');
  });
});

describe('who signs a list (RFC 5280 section 6.3.3 (f) (g))', () => {
  const impostor = issue('authority', 'issuing');
  const noSign = issue('authority', 'issuing', {
    keys: issuer.keys,
    extra: [factory.keyUsage(factory.KEY_USAGE.keyCertSign)],
  });
  const noUsage = issue('authority', 'issuing', { keys: issuer.keys, without: ['2.5.29.15'] });
  const short = issue('authority', 'issuing', { keys: issuer.keys, notAfter: later(NOW, -1) });
  const shortTwin = issue('authority', 'issuing', { keys: issuer.keys, notAfter: NOW });
  const weak = issue('authority', 'weak', { keys: factory.rsaKeys(1024) });
  const strong = issue('authority', 'weak', { keys: factory.rsaKeys(2048) });
  const of = (party: Party, signer: factory.Signer): Question => ({
    leaf: issue('end entity', 'tpp', { issuer: party }),
    issuer: party.certificate,
    lists: [{ issuer: party, signer }],
  });
  const strange = { keys: factory.ecKeys(), name: issuer.name };

  it.each<Row>([
    {
      what: 'another authority with its name',
      question: { lists: [{ issuer: impostor }] },
      expected: 'unknown',
    },
    {
      what: 'the certificate itself',
      question: { lists: [{ issuer: leaf, raw: { issuer: issuer.name } }] },
      expected: 'unknown',
    },
    {
      what: 'the key of the issuer, under another name',
      question: { lists: [{ raw: { issuer: factory.named('other') } }] },
      expected: 'unknown',
    },
    {
      what: 'an issuer whose key usage lacks cRLSign',
      twin: { issuer: noUsage.certificate },
      question: { issuer: noSign.certificate },
      expected: 'unknown',
    },
    {
      what: 'an issuer whose certificate has expired',
      twin: { issuer: shortTwin.certificate },
      question: { issuer: short.certificate },
      expected: 'unknown',
    },
    {
      what: 'SHA-1',
      twin: of(strong, factory.rsaSigner()),
      question: of(strong, factory.rsaSigner('sha1')),
      expected: 'unknown',
    },
    {
      what: 'a key of 1024 bits',
      twin: of(strong, factory.rsaSigner()),
      question: of(weak, factory.rsaSigner()),
      expected: 'unknown',
    },
    {
      what: 'nobody: one bit of the signature is wrong',
      question: {
        lists: [{ raw: { signature: (right) => Buffer.from(right.with(-1, (right.at(-1) ?? 0) ^ 1)) } }],
      },
      expected: 'unknown',
    },
  ])('F5: $what', judge);

  it('F5: what an impostor’s list says of a certificate is not believed either', () => {
    const forged = { issuer: { ...leaf, ...strange }, entries: [listed()] };
    expect(statusIn({ lists: [forged] })).toBe('unknown');
    expect(statusIn({ lists: [forged, {}] })).toBe('good');
  });

  it('remembers who signed a list, and that others did not', () => {
    const list = crl({ issuer });
    const ask = (by: Party): string =>
      crlStatus(leaf.certificate, { issuer: by.certificate, crls: [list], at: NOW }).status;
    expect([ask(impostor), ask(impostor), ask(issuer), ask(impostor), ask(issuer)]).toEqual([
      'unknown',
      'unknown',
      'good',
      'unknown',
      'good',
    ]);
    expect(list.parts.signerKey).toEqual(issuer.certificate.publicKeyInfo);
  });
});

describe('a newer list (RFC 5280 section 5.2.3)', () => {
  const list = (number: number | undefined, thisUpdate = lists.THIS_UPDATE) =>
    crl({ issuer, thisUpdate, extensions: number === undefined ? [] : [lists.crlNumber(number)] });
  const after = later(lists.THIS_UPDATE, 1);
  const before = later(lists.THIS_UPDATE, -1);

  it.each([
    ['a higher number', list(6, after), true],
    ['a higher number of the same instant', list(6), true],
    ['the same number, later', list(5, after), true],
    ['the same list', list(5), false],
    ['a lower number, though later', list(4, after), false],
    ['a higher number, though earlier', list(6, before), false],
    ['no number where there was one', list(undefined, after), false],
  ])('F24: %s', (_what, candidate, expected) => {
    expect(candidate.isNewerThan(list(5))).toBe(expected);
  });

  it('F24: lists without numbers go by their dates', () => {
    expect(list(undefined, after).isNewerThan(list(undefined))).toBe(true);
    expect(list(undefined, before).isNewerThan(list(undefined))).toBe(false);
  });
});
