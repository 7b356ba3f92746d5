import { describe, expect, it } from 'vitest';
import { crlStatus, indexCrl, verifyCrlSigner } from '../../../src/x509/crl/crl.ts';
import type { VerifiedPath } from '../../../src/x509/path/path.ts';
import * as factory from '../certificate-factory.ts';
import { issue, NOT_AFTER, NOW, type Party } from '../certificate-factory.ts';
import { type CrlFactoryOptions, crl, entry, writeCrl } from './crl-factory.ts';
import { later, serialOf } from './crl-question.ts';
import { outcomeOf } from '../refusals.ts';

const root = issue('authority', 'root');
const old = issue('authority', 'issuing', { issuer: root });
const signs = factory.keyUsage(factory.KEY_USAGE.cRLSign);

interface Asked {
  readonly issuer: Party;
  readonly authorities: readonly Party[];
  readonly signers?: readonly VerifiedPath[];
  readonly by: Party;
  readonly entries?: CrlFactoryOptions['entries'];
  /** What the list of the root says, which is about the signer; null: there is none. */
  readonly rootEntries?: CrlFactoryOptions['entries'] | null;
  /** Whose good lists are there as well. */
  readonly also?: readonly Party[];
}

function ask(asked: Asked, at = NOW): string {
  const { issuer, authorities, signers = [], by, entries = [], rootEntries = [], also = [] } = asked;
  const leaf = issue('end entity', 'tpp', { issuer, raw: { serial: Buffer.from([2, 1, 9]) } });
  const rootList = rootEntries === null ? [] : [crl({ issuer: root, entries: rootEntries })];
  return crlStatus(leaf.certificate, {
    issuer: issuer.certificate,
    pathAbove: authorities.map(({ certificate }) => certificate),
    signers,
    crls: [crl({ issuer: by, entries }), ...rootList, ...also.map((party) => crl({ issuer: party }))],
    at,
  }).status;
}

describe('a list signed with another key of the issuer (RFC 5280 section 6.3.3 (f))', () => {
  const rollover = issue('authority', 'issuing', { issuer: old });
  const mute = issue('authority', 'issuing', {
    issuer: root,
    keys: old.keys,
    extra: [factory.keyUsage(factory.KEY_USAGE.keyCertSign)],
  });
  const asked: Asked = { issuer: rollover, authorities: [old, root], by: old };

  it('F5: counts when that key is on the path', () => {
    expect(ask(asked)).toBe('good');
    expect(ask({ ...asked, entries: [entry({ serial: '09' })] })).toBe('revoked');
  });

  it('F5: does not count when the path does not show it, or shows it without cRLSign', () => {
    expect(ask({ ...asked, authorities: [root] })).toBe('unknown');
    expect(ask({ ...asked, authorities: [mute, root] })).toBe('unknown');
  });
});

describe('a list signed by a certificate for lists only', () => {
  const signer = (options: factory.IssueOptions = {}): Party =>
    issue('end entity', 'issuing', {
      issuer: root,
      without: ['2.5.29.37', '2.5.29.19'],
      extra: [signs],
      ...options,
    });
  const prove = (party: Party, anchor = root): VerifiedPath =>
    verifyCrlSigner(party.certificate, { anchors: [anchor.certificate], intermediates: [], at: NOW });
  const asked = (by: Party, path: VerifiedPath): Asked => ({
    issuer: old,
    authorities: [root],
    signers: [path],
    by,
  });
  const good = signer();

  it('F5: counts when a path leads from that to the same anchor', () => {
    expect(ask(asked(good, prove(good)))).toBe('good');
    expect(ask({ ...asked(good, prove(good)), signers: [] })).toBe('unknown');
  });

  it('F5: does not count when the signer is revoked, or nothing is known of it', () => {
    const question = asked(good, prove(good));
    expect(ask({ ...question, rootEntries: [entry({ serial: serialOf(good) })] })).toBe('unknown');
    expect(ask({ ...question, rootEntries: null })).toBe('unknown');
  });

  it('F5: a list is no evidence for its own signer', () => {
    const own = signer({ issuer: old });
    const path = verifyCrlSigner(own.certificate, {
      anchors: [root.certificate],
      intermediates: [old.certificate],
      at: NOW,
    });
    expect(ask(asked(own, path))).toBe('unknown');
  });

  it('F5: does not count when the path leads to another anchor', () => {
    const elsewhere = issue('authority', 'elsewhere');
    const foreign = signer({ issuer: elsewhere });
    expect(ask({ ...asked(foreign, prove(foreign, elsewhere)), also: [elsewhere] })).toBe('unknown');
  });

  it('F5: does not count when the path has ended', () => {
    const short = signer({ notAfter: later(NOW, 60) });
    expect(ask(asked(short, prove(short)), later(NOW, 60))).toBe('good');
    expect(ask(asked(short, prove(short)), later(NOW, 61))).toBe('unknown');
    expect(NOT_AFTER > later(NOW, 61)).toBe(true);
  });

  it('F5: does not count when that has another name', () => {
    const named = signer({ subject: factory.named('lists') });
    const list: Party = { ...named, name: old.name };
    expect(ask(asked(list, prove(named)))).toBe('unknown');
  });

  it.each([
    ['a certificate for clients', signer({ extra: [] }), 'ERR_CERT_KEY_USAGE'],
    ['a certificate with a purpose of its own', signer({ without: [] }), 'ERR_CERT_EXTENDED_KEY_USAGE'],
    ['an authority that may not sign lists', signer({ extra: [factory.keyUsage(5)] }), 'ERR_CERT_KEY_USAGE'],
    [
      'an authority that may',
      signer({ extra: [factory.basicConstraints(true), factory.keyUsage(5, 6)] }),
      'accepted',
    ],
    ['someone unknown', signer({ issuer: issue('authority', 'root') }), 'ERR_CERT_UNTRUSTED'],
  ])('F5: refuses %s as a signer, or takes it', (_what, party, expected) => {
    expect(outcomeOf(() => prove(party))).toBe(expected);
  });
});

describe('a list that is verified before its entries are read (F5)', () => {
  const entries = [entry({ serial: serialOf(old) })];
  const bytes = writeCrl({ issuer: root, entries });

  it('is indexed when one of the signers made it', () => {
    const list = indexCrl(bytes, [old.certificate, root.certificate]);
    expect(list.findSignerProblem(root.certificate)).toBeUndefined();
    expect(list.findSignerProblem(old.certificate)).toBe('another key has signed it');
    expect(list.find(serialOf(old))).toMatchObject({ reason: 'unspecified' });
  });

  it.each([
    ['none of them made it', [old.certificate]],
    ['there is none', []],
  ])('is refused when %s', (_what, signers) => {
    expect(outcomeOf(() => indexCrl(bytes, signers))).toBe('ERR_CRL_UNTRUSTED');
    const broken = writeCrl({ issuer: root, raw: { entries: Buffer.from('3003020100', 'hex') } });
    expect(outcomeOf(() => indexCrl(broken, signers))).toBe('ERR_CRL_UNTRUSTED');
    expect(outcomeOf(() => indexCrl(broken, [root.certificate]))).toBe('ERR_CRL_MALFORMED');
  });
});
