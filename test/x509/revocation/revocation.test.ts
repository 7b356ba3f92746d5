import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STRICT_REVOCATION } from '../../../src/x509/revocation/revocation.ts';
import { revocationKey } from '../../../src/x509/revocation/revocation-pointers.ts';
import * as factory from '../certificate-factory.ts';
import { issue } from '../certificate-factory.ts';
import { bothChain, type Chain, crlAt, crlChain, ocspChain, pathOf, revokedAnswer } from '../checked-path.ts';
import * as der from '../der-writer.ts';
import * as ocsp from '../ocsp/ocsp-factory.ts';
import { minutes, STATUS } from '../ocsp/ocsp-factory.ts';
import { answerTo, crl, type ResponderFarm } from './responder-farm.ts';
import { type Desk, RevocationLab } from './revocation-lab.ts';

const POLL = { timeout: 5000, interval: 20 };
let lab: RevocationLab;
let farm: ResponderFarm;
let desk: Desk;

beforeEach(async () => {
  lab = await new RevocationLab().open();
  farm = lab.farm;
  desk = lab.desk();
});
afterEach(() => lab.close());

describe('a path whose certificates are all good', () => {
  it('is accepted by OCSP, each certificate below the anchor asked about once (RFC 6960 §3)', async () => {
    const { path } = ocspChain(farm);
    expect(await desk.outcome(path)).toBe('accepted');
    expect(farm.hits.toSorted()).toEqual(['/issuing', '/tpp']);
    expect(desk.events).toEqual(['answer.good', 'answer.good']);
  });

  it('is accepted by CRL (RFC 5280 §6.3)', async () => {
    expect(await desk.outcome(crlChain(farm).path)).toBe('accepted');
    expect(farm.hits.toSorted()).toEqual(['/issuing.crl', '/tpp.crl']);
  });

  it('is accepted at once the next time, without a promise and without a request', async () => {
    const { path } = ocspChain(farm);
    const policy = STRICT_REVOCATION;
    await desk.revocation.check(path, policy);
    expect(desk.revocation.check(path, policy)).toBeUndefined();
    expect(farm.hits).toHaveLength(2);
  });

  it('is asked about at the source that the policy puts first, and at that one only', async () => {
    const { path } = bothChain(farm);
    expect(await desk.outcome(path)).toBe('accepted');
    expect(farm.hits.toSorted()).toEqual(['/issuing', '/tpp']);
    farm.hits.length = 0;
    expect(await lab.desk().outcome(path, { mode: 'crl-first' })).toBe('accepted');
    expect(farm.hits.toSorted()).toEqual(['/issuing.crl', '/tpp.crl']);
  });

  it('F22 costs one request for each certificate when 200 log in at once', async () => {
    const { tpp, issuing, root } = ocspChain(farm);
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, () => desk.outcome(pathOf(tpp, issuing, root))),
    );
    expect(new Set(outcomes)).toEqual(new Set(['accepted']));
    expect(farm.hits.toSorted()).toEqual(['/issuing', '/tpp']);
  });
});

describe('a revoked certificate is refused', () => {
  it('F1 the end entity, by OCSP and by CRL', async () => {
    const one = ocspChain(farm);
    farm.serveOcsp('/tpp', (asked) => revokedAnswer(asked, one.issuing));
    expect(await desk.outcome(one.path)).toBe('ERR_CERT_REVOKED | keyCompromise');
    expect(desk.revocation.isKnownRevoked(one.tpp.certificate)).toBe(true);
    expect(desk.revocation.isKnownRevoked(one.issuing.certificate)).toBe(false);

    const other = crlChain(farm);
    farm.serve('/tpp.crl', () => crl(other.issuing, { revoked: [other.tpp.certificate.serialNumber] }));
    expect(await desk.outcome(other.path)).toBe('ERR_CERT_REVOKED | unspecified');
  });

  it('F2 an intermediate, by OCSP and by CRL', async () => {
    const one = ocspChain(farm);
    farm.serveOcsp('/issuing', (asked) => revokedAnswer(asked, one.root));
    expect(await desk.outcome(one.path)).toBe('ERR_CERT_REVOKED | keyCompromise');

    const other = crlChain(farm);
    farm.serve('/issuing.crl', () => crl(other.root, { revoked: [other.issuing.certificate.serialNumber] }));
    expect(await desk.outcome(other.path)).toBe('ERR_CERT_REVOKED | unspecified');
  });

  it('F2 also when nothing is known about the certificate below it', async () => {
    const { path, root } = ocspChain(farm);
    farm.serveOcsp('/tpp', () => ocsp.failure(3));
    farm.serveOcsp('/issuing', (asked) => revokedAnswer(asked, root));
    expect(await desk.outcome(path)).toBe('ERR_CERT_REVOKED | keyCompromise');
  });

  it('F3 while it is in use, when the answer is due', async () => {
    const { path, tpp, issuing } = ocspChain(farm);
    expect(await desk.outcome(path)).toBe('accepted');
    farm.serveOcsp('/tpp', (asked) => revokedAnswer(asked, issuing));
    desk.pass(301);
    await expect.poll(() => desk.outcome(path), POLL).toBe('ERR_CERT_REVOKED | keyCompromise');
    expect(desk.revocation.isKnownRevoked(revocationKey(tpp.certificate, issuing.certificate))).toBe(true);
  });

  it('F3 by CRL within the same time', async () => {
    const { path, tpp, issuing } = crlChain(farm);
    expect(await desk.outcome(path)).toBe('accepted');
    farm.serve('/tpp.crl', () => crl(issuing, { number: 2, revoked: [tpp.certificate.serialNumber] }));
    desk.pass(301);
    await expect.poll(() => desk.outcome(path), POLL).toBe('ERR_CERT_REVOKED | unspecified');
  });

  it('whatever the policy says about unknown', async () => {
    const { path, issuing } = ocspChain(farm);
    farm.serveOcsp('/tpp', (asked) => revokedAnswer(asked, issuing));
    expect(await desk.outcome(path, { whenUnknown: 'accept-and-report' })).toMatch('ERR_CERT_REVOKED');
  });

  it('F9 on hold, until a newer answer lifts the hold; an older one does not', async () => {
    const { path, issuing } = ocspChain(farm);
    const held = { status: STATUS.revoked(minutes(-10), 6) };
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing, held));
    expect(await desk.outcome(path)).toBe('ERR_CERT_REVOKED | certificateHold');
    desk.pass(301);
    const answers = () => desk.events.filter((event) => event === 'answer.revoked');
    await expect.poll(answers, POLL).toHaveLength(2);
    expect(desk.logged.filter(({ event }) => event === 'revocation.revoked')).toHaveLength(1);
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing, { thisUpdate: minutes(-20) }));
    desk.pass(301);
    await expect.poll(() => desk.events, POLL).toContain('answer.invalid');
    expect(await desk.outcome(path)).toBe('ERR_CERT_REVOKED | certificateHold');
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing, { thisUpdate: minutes(9) }));
    desk.pass(16);
    await expect.poll(() => desk.outcome(path), POLL).toBe('accepted');
  });

  it('F3 and said to be so each time, a hold is not, for those who must forget it in time', async () => {
    const { path, tpp, issuing } = ocspChain(farm);
    const found: string[] = [];
    desk.revocation.onRevoked(({ key, isEndEntity }) => found.push(`${key.serialNumber} ${isEndEntity}`));
    const held = { status: STATUS.revoked(minutes(-10), 6) };
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing, held));
    expect(await desk.outcome(path)).toBe('ERR_CERT_REVOKED | certificateHold');
    expect(await desk.outcome(path)).toBe('ERR_CERT_REVOKED | certificateHold');
    expect(found).toEqual([]);
    farm.serveOcsp('/tpp', (asked) => revokedAnswer(asked, issuing));
    desk.pass(301);
    const { serialNumber } = tpp.certificate;
    await expect.poll(() => found, POLL).toEqual([`${serialNumber} true`]);
    expect(await desk.outcome(path)).toBe('ERR_CERT_REVOKED | keyCompromise');
    expect(found).toHaveLength(2);
  });

  it('F3 as soon as somebody else says so, and the authority agrees', async () => {
    const { path, tpp, issuing } = ocspChain(farm);
    const key = revocationKey(tpp.certificate, issuing.certificate);
    expect(await desk.outcome(path)).toBe('accepted');
    desk.revocation.askAgain(key);
    await expect.poll(() => farm.countOf('/tpp'), POLL).toBe(2);
    expect(await desk.outcome(path)).toBe('accepted');
    farm.serveOcsp('/tpp', (asked) => revokedAnswer(asked, issuing));
    desk.revocation.askAgain(key);
    await expect.poll(() => desk.outcome(path), POLL).toBe('ERR_CERT_REVOKED | keyCompromise');
    expect(farm.countOf('/issuing')).toBe(1);
  });

  it('F3 also when somebody says so while an older answer is under way', async () => {
    const { path, tpp, issuing } = ocspChain(farm);
    const key = revocationKey(tpp.certificate, issuing.certificate);
    expect(await desk.outcome(path)).toBe('accepted');
    farm.serveOcsp('/tpp', (asked) => {
      farm.serveOcsp('/tpp', (again) => revokedAnswer(again, issuing));
      desk.revocation.askAgain(key);
      return answerTo(asked, issuing);
    });
    desk.revocation.askAgain(key);
    await expect.poll(() => desk.outcome(path), POLL).toBe('ERR_CERT_REVOKED | keyCompromise');
  });

  it('F15 and stays so when an old good answer is replayed', async () => {
    const { path, issuing } = ocspChain(farm);
    farm.serveOcsp('/tpp', (asked) => revokedAnswer(asked, issuing));
    expect(await desk.outcome(path)).toMatch('ERR_CERT_REVOKED');
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing, { extensions: [] }));
    desk.pass(400);
    expect(await desk.outcome(path)).toMatch('ERR_CERT_REVOKED');
  });
});

describe('bad evidence is refused for good (threats.md 2.0)', () => {
  const impostor = issue('authority', 'issuing');
  it.each<readonly [string, (chain: Chain) => Parameters<ResponderFarm['serveOcsp']>[1], RegExp]>([
    ['F11 by another authority of the same name', () => (asked) => answerTo(asked, impostor), /signed it/],
    [
      'F12 about another certificate',
      ({ issuing }) =>
        (asked) =>
          answerTo(asked, issuing, { singles: [ocsp.single(ocsp.certId(issuing, issuing))] }),
      /other certificates/,
    ],
    [
      'F14 that is stale',
      ({ issuing }) =>
        (asked) =>
          answerTo(asked, issuing, { thisUpdate: minutes(-90), nextUpdate: minutes(-30) }),
      /stale/,
    ],
    [
      'F16 with another nonce',
      ({ issuing }) =>
        (asked) =>
          answerTo(asked, issuing, { extensions: [ocsp.nonce(Buffer.alloc(32))] }),
      /nonce/,
    ],
    [
      'F17 that says unknown',
      ({ issuing }) =>
        (asked) =>
          answerTo(asked, issuing, { status: STATUS.unknown }),
      /does not know/,
    ],
    [
      'F18 with a critical extension',
      ({ issuing }) =>
        (asked) =>
          answerTo(asked, issuing, { extensions: [factory.extension('1.2.3', der.nothing, true)] }),
      /critical/,
    ],
  ])('%s', async (_what, answer, problem) => {
    const chain = ocspChain(farm);
    farm.serveOcsp('/tpp', answer(chain));
    const outcome = await desk.outcome(chain.path);
    expect(outcome).toMatch(/^ERR_CERT_REVOCATION_INVALID/);
    expect(outcome).toMatch(problem);
    expect(desk.events).toContain('answer.invalid');
  });

  it('F5 a CRL by another authority of the same name, F4 one that is stale', async () => {
    const chain = crlChain(farm);
    farm.serve('/tpp.crl', () => crl(chain.issuing, { signedBy: impostor }));
    expect(await desk.outcome(chain.path)).toMatch(/^ERR_CERT_REVOCATION_INVALID/);
    farm.serve('/tpp.crl', () => crl(chain.issuing, { thisUpdate: minutes(-90), nextUpdate: minutes(-30) }));
    expect(await lab.desk().outcome(chain.path)).toMatch(/^ERR_CERT_REVOCATION_INVALID .*next update/);
  });

  it('but the other source may still prove the certificate good', async () => {
    const chain = bothChain(farm);
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, impostor));
    expect(await desk.outcome(chain.path)).toBe('accepted');
    farm.serve('/tpp.crl', () => crl(chain.issuing, { revoked: [chain.tpp.certificate.serialNumber] }));
    expect(await lab.desk().outcome(chain.path)).toMatch('ERR_CERT_REVOKED');
  });

  it('F16 a nonce that is required must come back', async () => {
    const { path, issuing, root } = ocspChain(farm);
    const policy = { ocsp: { nonce: 'required' } } as const;
    expect(await desk.outcome(path, policy)).toBe('accepted');
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing, { extensions: [] }));
    expect(await lab.desk().outcome(path)).toBe('accepted');
    expect(await lab.desk().outcome(path, policy)).toMatch(/INVALID .*no nonce/);
    let sent: Buffer | undefined;
    farm.serveOcsp('/tpp', (asked) => {
      sent = asked.nonce;
      return answerTo(asked, issuing);
    });
    farm.serveOcsp('/issuing', (asked) => answerTo(asked, root));
    await lab.desk().outcome(path, { ocsp: { nonce: 'not-sent' } });
    expect(sent).toBeUndefined();
  });

  it('F11 a delegate without nocheck is looked up in the CRL', async () => {
    const chain = ocspChain(farm);
    const delegate = issue('end entity', 'responder', {
      issuer: chain.issuing,
      extra: [factory.extendedKeyUsage('1.3.6.1.5.5.7.3.9'), crlAt(farm.url('/delegates.crl'))],
    });
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, delegate, { certificates: [delegate.der] }));
    expect(await desk.outcome(chain.path)).toMatch(/INVALID .*own revocation status is unknown/);
    farm.serve('/delegates.crl', () => crl(chain.issuing));
    expect(await lab.desk().outcome(chain.path)).toBe('accepted');
    farm.serve('/delegates.crl', () => crl(chain.issuing, { revoked: [delegate.certificate.serialNumber] }));
    expect(await lab.desk().outcome(chain.path)).toMatch(/INVALID .*own revocation status is revoked/);
  });
});
