import { describe, expect, it } from 'vitest';
import { type OcspOptions, ocspStatus, parseOcspResponse } from '../../../src/x509/ocsp/ocsp.ts';
import * as factory from '../certificate-factory.ts';
import { ecdsaSigner, ecKeys, issue, NOW, type Party, rsaKeys, rsaSigner } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';
import * as ocsp from './ocsp-factory.ts';
import { answer, certId, minutes, STATUS, single } from './ocsp-factory.ts';

const root = issue('authority', 'root');
const issuer = issue('authority', 'issuing', { issuer: root });
const impostor = issue('authority', 'issuing', { issuer: root });
const tpp = issue('end entity', 'tpp', { issuer });
const other = issue('end entity', 'other', { issuer });
const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';
const noCheck = factory.extension('1.3.6.1.5.5.7.48.1.5', der.nothing);

function delegateOf(by: Party, options: factory.IssueOptions = {}): Party {
  const usual = [factory.extendedKeyUsage(OCSP_SIGNING), noCheck];
  return issue('end entity', 'responder', { issuer: by, extra: usual, ...options });
}
const withUsages = (...purposes: string[]) => ({ extra: [factory.extendedKeyUsage(...purposes), noCheck] });
const withExtra = (extra: Buffer) => ({ extra: [factory.extendedKeyUsage(OCSP_SIGNING), noCheck, extra] });

const id = certId(tpp, issuer);
const good = single(id);
const about = { certificate: tpp.certificate, issuer: issuer.certificate, at: NOW };

/** `good`, `revoked` or the problem. */
function verdict(bytes: Buffer, options: Partial<OcspOptions> = {}): string {
  const found = ocspStatus(parseOcspResponse(bytes), { ...about, ...options });
  return found.status === 'unknown' ? found.problem : found.status;
}
const judged = (options: Partial<ocsp.AnswerOptions>, how: Partial<OcspOptions> = {}): string =>
  verdict(answer({ singles: [good], by: issuer, ...options }), how);
const signedBy = (by: Party, options: Partial<ocsp.AnswerOptions> = {}): string =>
  judged({ by, certificates: [by.der], ...options });

describe('an OCSP answer by the issuer', () => {
  it('that is right says good, until nextUpdate (RFC 6960 §3.2)', () => {
    expect(ocspStatus(parseOcspResponse(answer({ singles: [good], by: issuer })), about)).toEqual({
      status: 'good',
      source: 'ocsp',
      thisUpdate: minutes(-5),
      nextUpdate: minutes(60),
    });
  });

  it('F1 says revoked, when and why', () => {
    const revoked = single(id, { status: STATUS.revoked(minutes(-90), 1) });
    expect(ocspStatus(parseOcspResponse(answer({ singles: [revoked], by: issuer })), about)).toEqual({
      status: 'revoked',
      source: 'ocsp',
      revokedAt: minutes(-90),
      reason: 'keyCompromise',
    });
  });

  it.each([
    ['by name', { responderId: ocsp.byName(issuer) }],
    ['by key', { responderId: ocsp.byKey(issuer) }],
    ['with version 1 written out', { version: der.context(0, der.integer(0)) }],
    ['with certificates that nobody needs', { certificates: [other.der, Buffer.from('300101', 'hex')] }],
    ['with an extension that is not critical', { extensions: [factory.extension('1.2.3', der.nothing)] }],
    ['with a CertID by SHA-256', { singles: [single(certId(tpp, issuer, { hash: 'sha256' }))] }],
    [
      'with an archive cutoff',
      { singles: [single(id, { extensions: [factory.extension('1.3.6.1.5.5.7.48.1.6', ocsp.time(NOW))] })] },
    ],
  ])('is accepted %s', (_what, options) => {
    expect(judged(options)).toBe('good');
  });

  it.each([
    ['by another name', { responderId: ocsp.byName(other) }],
    ['by another key', { responderId: ocsp.byKey(impostor) }],
    ['F5 by an authority of the same name', { by: impostor }],
    [
      'F5 by an authority of the same name that sends its certificate',
      { by: impostor, certificates: [impostor.der] },
    ],
    ['F11 by the certificate itself', { by: tpp, certificates: [tpp.der] }],
    [
      'with one bit of the signature turned',
      { signature: (right: Buffer) => right.with(-1, (right.at(-1) ?? 0) ^ 1) },
    ],
  ])('is unknown when it is signed %s', (_what, options) => {
    expect(judged(options as Partial<ocsp.AnswerOptions>)).toMatch(/signed it|may not sign|another issuer/);
  });

  it('is unknown when the signature is weak (BCP 195)', () => {
    expect(judged({ signer: ecdsaSigner('sha1') })).toContain('ecdsa-with-SHA1');
    const keys = rsaKeys(1024);
    const weak = issue('authority', 'weak', { issuer: root, keys });
    const child = issue('end entity', 'child', { issuer: weak, signer: rsaSigner() });
    const bytes = answer({ singles: [single(certId(child, weak))], by: weak, signer: rsaSigner() });
    expect(verdict(bytes, { certificate: child.certificate, issuer: weak.certificate })).toMatch(/signed it/);
  });
});

describe('F12 an OCSP answer about', () => {
  it.each([
    ['another serial number', certId(other, issuer)],
    [
      'the negative of the serial number',
      certId(tpp, issuer, { serial: der.tlv(2, Buffer.from([0x80 | 0x10, 1])) }),
    ],
    ['another issuer name', certId(tpp, issuer, { name: other.name })],
    ['another issuer key', certId(tpp, issuer, { key: impostor.certificate.publicKeyOctets })],
    ['an issuer by MD5', certId(tpp, issuer, { hash: 'md5' })],
  ])('%s is about another certificate (RFC 6960 §3.2 (1))', (_what, wrong) => {
    expect(judged({ singles: [single(wrong)] })).toBe('the answer is about other certificates');
    expect(judged({ singles: [single(wrong), good] })).toBe('good');
  });

  it('nothing is unknown', () => {
    expect(judged({ singles: [] })).toBe('the answer is about other certificates');
  });
});

describe('F13 of several answers about a certificate', () => {
  const revoked = single(id, { status: STATUS.revoked(minutes(-90)) });
  const unknown = single(id, { status: STATUS.unknown });
  it.each([
    ['good and revoked', [good, revoked], 'revoked'],
    ['revoked and good', [revoked, good], 'revoked'],
    [
      'revoked by another hash',
      [good, single(certId(tpp, issuer, { hash: 'sha256' }), { status: STATUS.revoked(NOW) })],
      'revoked',
    ],
    ['good and unknown', [good, unknown], 'the responder does not know the certificate'],
    ['revoked and unknown', [unknown, revoked], 'revoked'],
    ['good and good', [good, good], 'good'],
    [
      'good and revoked of another',
      [good, single(certId(other, issuer), { status: STATUS.revoked(NOW) })],
      'good',
    ],
  ])('%s: the one that takes most away is believed', (_what, singles, expected) => {
    expect(judged({ singles })).toBe(expected);
  });

  it('and of two good ones, that which ends first', () => {
    const singles = [single(id, { nextUpdate: minutes(9) }), single(id, { nextUpdate: minutes(5) }), good];
    const status = ocspStatus(parseOcspResponse(answer({ singles, by: issuer })), about);
    expect(status).toMatchObject({ status: 'good', nextUpdate: minutes(5) });
  });
});

describe('F14 an OCSP answer', () => {
  const at = (options: ocsp.SingleOptions) => judged({ singles: [single(id, options)] });
  it('of the future is unknown, but clocks may differ by five minutes', () => {
    expect(at({ thisUpdate: minutes(4) })).toBe('good');
    expect(at({ thisUpdate: minutes(6) })).toBe('thisUpdate is in the future');
    expect(judged({ producedAt: minutes(4) })).toBe('good');
    expect(judged({ producedAt: minutes(6) })).toBe('producedAt is in the future');
  });

  it('past its nextUpdate is stale (RFC 6960 §3.2 (6))', () => {
    expect(at({ thisUpdate: minutes(-90), nextUpdate: minutes(0) })).toBe('good');
    expect(at({ thisUpdate: minutes(-90), nextUpdate: minutes(-1) })).toBe('the answer is stale');
    expect(at({ thisUpdate: minutes(0), nextUpdate: minutes(-1) })).toBe('nextUpdate is before thisUpdate');
  });

  it('F15 without nextUpdate is good for the maximum age only', () => {
    expect(at({ thisUpdate: minutes(-60), nextUpdate: null })).toBe('good');
    expect(at({ thisUpdate: minutes(-61), nextUpdate: null })).toBe('the answer is stale');
    const old = answer({ singles: [single(id, { thisUpdate: minutes(-61), nextUpdate: null })], by: issuer });
    expect(verdict(old, { policy: { maxAgeSeconds: 7200 } })).toBe('good');
  });

  it('F15 with a nextUpdate of years is good for ten days', () => {
    const days = (count: number) => minutes(count * 1440);
    expect(at({ thisUpdate: days(-9), nextUpdate: days(900) })).toBe('good');
    expect(at({ thisUpdate: days(-11), nextUpdate: days(900) })).toBe('the answer is stale');
  });

  it('produced before its certificate or after its issuer is unknown', () => {
    expect(judged({ producedAt: new Date('2025-12-31') })).toMatch(/not produced in the life/);
    const late = { at: new Date('2027-06-01') };
    const singles = [single(id, { thisUpdate: late.at, nextUpdate: null })];
    expect(judged({ singles, producedAt: late.at }, late)).toMatch(/not produced in the life/);
  });

  it('that says revoked does not go stale, unless the certificate is on hold', () => {
    const stale = { thisUpdate: minutes(-90), nextUpdate: minutes(-30) };
    expect(at({ ...stale, status: STATUS.revoked(minutes(-90)) })).toBe('revoked');
    expect(at({ ...stale, status: STATUS.revoked(minutes(-90), 6) })).toBe('the answer is stale');
  });
});

describe('F11 an OCSP responder that the issuer delegated', () => {
  it('is believed, by name and by key', () => {
    const delegate = delegateOf(issuer);
    expect(signedBy(delegate)).toBe('good');
    expect(signedBy(delegate, { responderId: ocsp.byKey(delegate) })).toBe('good');
    const unreadable = Buffer.from('300101', 'hex').fill(0, 2);
    expect(signedBy(delegate, { certificates: [unreadable, other.der, delegate.der] })).toBe('good');
  });

  it.each<readonly [string, Party, RegExp]>([
    ['without OCSPSigning', delegateOf(issuer, withUsages(factory.PURPOSE.clientAuth)), /may not sign/],
    ['with any purpose in its place', delegateOf(issuer, withUsages(factory.PURPOSE.any)), /may not sign/],
    ['without extended key usage', delegateOf(issuer, { extensions: [noCheck] }), /may not sign/],
    ['of another authority', delegateOf(root), /another issuer/],
    ['of an authority of the same name', delegateOf(impostor), /another issuer of the same name/],
    ['of a delegate', delegateOf(delegateOf(issuer)), /another issuer/],
    ['that names another issuer', delegateOf(issuer, { raw: { issuer: other.name } }), /another issuer$/],
    ['that has expired', delegateOf(issuer, { notAfter: new Date('2026-06-01') }), /not valid at this time/],
    ['of the future', delegateOf(issuer, { notBefore: new Date('2026-07-01') }), /not valid at this time/],
    [
      'that may encipher only',
      delegateOf(issuer, withExtra(factory.keyUsage(factory.KEY_USAGE.keyEncipherment))),
      /key usage/,
    ],
    ['with a weak key', delegateOf(issuer, { keys: ecKeys('secp256k1') }), /signed it/],
    ['with a weak signature', delegateOf(issuer, { signer: ecdsaSigner('sha1') }), /ecdsa-with-SHA1/],
    [
      'with an unknown critical extension',
      delegateOf(issuer, withExtra(factory.extension('1.2.3.4', der.nothing, true))),
      /critical extension/,
    ],
  ])('is not believed %s (RFC 6960 §4.2.2.2)', (_what, delegate, problem) => {
    expect(signedBy(delegate)).toMatch(problem);
  });

  it('is found behind 31 certificates that do not matter', () => {
    const delegate = delegateOf(issuer);
    const certificates = [...Array<Buffer>(31).fill(other.der), delegate.der];
    expect(verdict(answer({ singles: [good], by: delegate, certificates }))).toBe('good');
  });

  it('is not believed when its certificate did not come along', () => {
    expect(signedBy(delegateOf(issuer), { certificates: [other.der] })).toMatch(/signed it/);
  });

  it('without nocheck needs a status of its own (RFC 6960 §4.2.2.2.1)', () => {
    const delegate = delegateOf(issuer, { extra: [factory.extendedKeyUsage(OCSP_SIGNING)] });
    const bytes = answer({ singles: [good], by: delegate, certificates: [delegate.der] });
    const revoked = { status: 'revoked', source: 'crl', revokedAt: NOW, reason: 'keyCompromise' } as const;
    expect(verdict(bytes)).toBe("the responder's own revocation status is unknown");
    expect(verdict(bytes, { delegateStatus: () => revoked })).toMatch(/is revoked$/);
    expect(
      verdict(bytes, { delegateStatus: () => ({ status: 'good', source: 'crl', thisUpdate: NOW }) }),
    ).toBe('good');
  });
});

describe('F16 a nonce', () => {
  const sent = Buffer.alloc(32, 7);
  const echoed = (value: Uint8Array) => [ocsp.nonce(value)];
  it('that comes back is accepted (RFC 9654 §2.1)', () => {
    expect(judged({ extensions: echoed(sent) }, { nonce: sent, policy: { nonce: 'required' } })).toBe('good');
  });

  it.each([
    ['other octets', Buffer.alloc(32, 8)],
    ['one octet', Buffer.alloc(1, 7)],
    ['128 octets', Buffer.alloc(128, 7)],
    ['none', Buffer.alloc(0)],
  ])('that comes back as %s makes the answer unknown', (_what, value) => {
    expect(judged({ extensions: echoed(value) }, { nonce: sent })).toMatch(/nonce is not the one/);
  });

  it('that does not come back is a matter of policy', () => {
    expect(judged({}, { nonce: sent })).toBe('good');
    expect(judged({}, { nonce: sent, policy: { nonce: 'required' } })).toBe('the answer has no nonce');
  });
});

describe('F17 a responder that says', () => {
  it.each([
    [1, 'malformedRequest'],
    [2, 'internalError'],
    [3, 'tryLater'],
    [5, 'sigRequired'],
    [6, 'unauthorized'],
  ])('status %i, %s, says nothing about the certificate (RFC 6960 §2.3)', (status, name) => {
    expect(verdict(ocsp.failure(status))).toBe(`the responder says ${name}`);
  });

  it('that it does not know the certificate does not say good', () => {
    const unknown = judged({ singles: [single(id, { status: STATUS.unknown })] });
    expect(unknown).toBe('the responder does not know the certificate');
  });
});

describe('F18 a critical extension', () => {
  const critical = factory.extension('1.2.3.4', der.nothing, true);
  it('that is unknown makes the answer unknown (RFC 6960 §4.4)', () => {
    expect(judged({ extensions: [critical] })).toContain('unknown critical extension 1.2.3.4');
    const singles = [single(id, { extensions: [critical] })];
    expect(judged({ singles })).toContain('unknown critical extension 1.2.3.4');
  });

  it('with Certificate Transparency stamps is understood', () => {
    const stamps = factory.extension('1.3.6.1.4.1.11129.2.4.5', der.octetString(), true);
    expect(judged({ singles: [single(id, { extensions: [stamps] })] })).toBe('good');
  });
});
