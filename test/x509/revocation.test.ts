import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as factory from './certificate-factory.ts';
import { issue } from './certificate-factory.ts';
import { type Chain, chainOf, crlAt, type Desk, ocspAt, openDesk, pathOf } from './checked-path.ts';
import * as der from './der-writer.ts';
import * as ocsp from './ocsp-factory.ts';
import { minutes, STATUS } from './ocsp-factory.ts';
import { answerTo, crl, type Fault, ResponderFarm } from './responder-farm.ts';

let farm: ResponderFarm;
let desk: Desk;
const POLL = { timeout: 5000, interval: 20 };
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  farm = await new ResponderFarm().listen();
  desk = deskOf();
  closing.push(() => farm.close());
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

function deskOf(options: Parameters<typeof openDesk>[1] = {}): Desk {
  const opened = openDesk(farm, options);
  closing.push(() => opened.revocation.close());
  return opened;
}

/** A chain whose two certificates are answered for by OCSP at /tpp and /issuing, signed by their issuers. */
function ocspChain(options: factory.IssueOptions = {}): Chain {
  const chain = chainOf(
    { tpp: [ocspAt(farm.url('/tpp'))], issuing: [ocspAt(farm.url('/issuing'))] },
    options,
  );
  farm.serveOcsp('/tpp', (asked) => answerTo(asked, chain.issuing));
  farm.serveOcsp('/issuing', (asked) => answerTo(asked, chain.root));
  return chain;
}

/** The same by CRL at /tpp.crl and /issuing.crl. */
function crlChain(): Chain {
  const chain = chainOf({ tpp: [crlAt(farm.url('/tpp.crl'))], issuing: [crlAt(farm.url('/issuing.crl'))] });
  farm.serve('/tpp.crl', () => crl(chain.issuing));
  farm.serve('/issuing.crl', () => crl(chain.root));
  return chain;
}

/** Both. */
function bothChain(): Chain {
  const pointers = (name: string) => [ocspAt(farm.url(`/${name}`)), crlAt(farm.url(`/${name}.crl`))];
  const chain = chainOf({ tpp: pointers('tpp'), issuing: pointers('issuing') });
  farm.serveOcsp('/tpp', (asked) => answerTo(asked, chain.issuing));
  farm.serveOcsp('/issuing', (asked) => answerTo(asked, chain.root));
  farm.serve('/tpp.crl', () => crl(chain.issuing));
  farm.serve('/issuing.crl', () => crl(chain.root));
  return chain;
}

const revoked = (asked: Parameters<typeof answerTo>[0], by: Chain['root']) =>
  answerTo(asked, by, { status: STATUS.revoked(minutes(-90), 1) });

describe('a path whose certificates are all good', () => {
  it('is accepted by OCSP, each certificate below the anchor asked about once (RFC 6960 §3)', async () => {
    const { path } = ocspChain();
    expect(await desk.outcome(path)).toBe('accepted');
    expect(farm.hits.toSorted()).toEqual(['/issuing', '/tpp']);
    expect(desk.events).toEqual(['answer.good', 'answer.good']);
  });

  it('is accepted by CRL (RFC 5280 §6.3)', async () => {
    expect(await desk.outcome(crlChain().path)).toBe('accepted');
    expect(farm.hits.toSorted()).toEqual(['/issuing.crl', '/tpp.crl']);
  });

  it('is accepted at once the next time, without a promise and without a request', async () => {
    const { path } = ocspChain();
    const policy = { ...(await import('../../src/x509/revocation.ts')).STRICT_REVOCATION };
    await desk.revocation.check(path, policy);
    expect(desk.revocation.check(path, policy)).toBeUndefined();
    expect(farm.hits).toHaveLength(2);
  });

  it('is asked about at the source that the policy puts first, and at that one only', async () => {
    const { path } = bothChain();
    expect(await desk.outcome(path)).toBe('accepted');
    expect(farm.hits.toSorted()).toEqual(['/issuing', '/tpp']);
    farm.hits.length = 0;
    expect(await deskOf().outcome(path, { mode: 'crl-first' })).toBe('accepted');
    expect(farm.hits.toSorted()).toEqual(['/issuing.crl', '/tpp.crl']);
  });

  it('F22 costs one request for each certificate when 200 log in at once', async () => {
    const { tpp, issuing, root } = ocspChain();
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, () => desk.outcome(pathOf(tpp, issuing, root))),
    );
    expect(new Set(outcomes)).toEqual(new Set(['accepted']));
    expect(farm.hits.toSorted()).toEqual(['/issuing', '/tpp']);
  });
});

describe('a revoked certificate is refused', () => {
  it('F1 the end entity, by OCSP and by CRL', async () => {
    const one = ocspChain();
    farm.serveOcsp('/tpp', (asked) => revoked(asked, one.issuing));
    expect(await desk.outcome(one.path)).toBe('ERR_CERT_REVOKED | keyCompromise');
    expect(desk.revocation.isKnownRevoked(one.tpp.certificate)).toBe(true);
    expect(desk.revocation.isKnownRevoked(one.issuing.certificate)).toBe(false);

    const other = crlChain();
    farm.serve('/tpp.crl', () => crl(other.issuing, { revoked: [other.tpp.certificate.serialNumber] }));
    expect(await desk.outcome(other.path)).toBe('ERR_CERT_REVOKED | unspecified');
  });

  it('F2 an intermediate, by OCSP and by CRL', async () => {
    const one = ocspChain();
    farm.serveOcsp('/issuing', (asked) => revoked(asked, one.root));
    expect(await desk.outcome(one.path)).toBe('ERR_CERT_REVOKED | keyCompromise');

    const other = crlChain();
    farm.serve('/issuing.crl', () => crl(other.root, { revoked: [other.issuing.certificate.serialNumber] }));
    expect(await desk.outcome(other.path)).toBe('ERR_CERT_REVOKED | unspecified');
  });

  it('F2 also when nothing is known about the certificate below it', async () => {
    const { path, root } = ocspChain();
    farm.serveOcsp('/tpp', () => ocsp.failure(3));
    farm.serveOcsp('/issuing', (asked) => revoked(asked, root));
    expect(await desk.outcome(path)).toBe('ERR_CERT_REVOKED | keyCompromise');
  });

  it('F3 while it is in use, when the answer is due', async () => {
    const { path, tpp, issuing } = ocspChain();
    expect(await desk.outcome(path)).toBe('accepted');
    farm.serveOcsp('/tpp', (asked) => revoked(asked, issuing));
    desk.pass(301);
    await expect.poll(() => desk.outcome(path), POLL).toBe('ERR_CERT_REVOKED | keyCompromise');
    expect(desk.revocation.isKnownRevoked({ ...keyOf(tpp, issuing) })).toBe(true);
  });

  it('F3 by CRL within the same time', async () => {
    const { path, tpp, issuing } = crlChain();
    expect(await desk.outcome(path)).toBe('accepted');
    farm.serve('/tpp.crl', () => crl(issuing, { number: 2, revoked: [tpp.certificate.serialNumber] }));
    desk.pass(301);
    await expect.poll(() => desk.outcome(path), POLL).toBe('ERR_CERT_REVOKED | unspecified');
  });

  it('whatever the policy says about unknown', async () => {
    const { path, issuing } = ocspChain();
    farm.serveOcsp('/tpp', (asked) => revoked(asked, issuing));
    expect(await desk.outcome(path, { whenUnknown: 'accept-and-report' })).toMatch('ERR_CERT_REVOKED');
  });

  it('F15 and stays so when an old good answer is replayed', async () => {
    const { path, issuing } = ocspChain();
    farm.serveOcsp('/tpp', (asked) => revoked(asked, issuing));
    expect(await desk.outcome(path)).toMatch('ERR_CERT_REVOKED');
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing, { extensions: [] }));
    desk.pass(400);
    expect(await desk.outcome(path)).toMatch('ERR_CERT_REVOKED');
  });
});

function keyOf(tpp: Chain['tpp'], issuing: Chain['issuing']) {
  const { createHash } = process.getBuiltinModule('node:crypto');
  const issuerKeyHash = createHash('sha256').update(issuing.certificate.publicKeyInfo).digest('hex');
  return { issuerKeyHash, serialNumber: tpp.certificate.serialNumber };
}

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
    const chain = ocspChain();
    farm.serveOcsp('/tpp', answer(chain));
    const outcome = await desk.outcome(chain.path);
    expect(outcome).toMatch(/^ERR_CERT_REVOCATION_INVALID/);
    expect(outcome).toMatch(problem);
    expect(desk.events).toContain('answer.invalid');
  });

  it('F5 a CRL by another authority of the same name, F4 one that is stale', async () => {
    const chain = crlChain();
    farm.serve('/tpp.crl', () => crl(chain.issuing, { signedBy: impostor }));
    expect(await desk.outcome(chain.path)).toMatch(/^ERR_CERT_REVOCATION_INVALID/);
    farm.serve('/tpp.crl', () => crl(chain.issuing, { thisUpdate: minutes(-90), nextUpdate: minutes(-30) }));
    expect(await deskOf().outcome(chain.path)).toMatch(/^ERR_CERT_REVOCATION_INVALID .*next update/);
  });

  it('but the other source may still prove the certificate good', async () => {
    const chain = bothChain();
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, impostor));
    expect(await desk.outcome(chain.path)).toBe('accepted');
    farm.serve('/tpp.crl', () => crl(chain.issuing, { revoked: [chain.tpp.certificate.serialNumber] }));
    expect(await deskOf().outcome(chain.path)).toMatch('ERR_CERT_REVOKED');
  });

  it('F16 a nonce that is required must come back', async () => {
    const { path, issuing, root } = ocspChain();
    const policy = { ocsp: { nonce: 'required' } } as const;
    expect(await desk.outcome(path, policy)).toBe('accepted');
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing, { extensions: [] }));
    expect(await deskOf().outcome(path)).toBe('accepted');
    expect(await deskOf().outcome(path, policy)).toMatch(/INVALID .*no nonce/);
    let sent: Buffer | undefined;
    farm.serveOcsp('/tpp', (asked) => {
      sent = asked.nonce;
      return answerTo(asked, issuing);
    });
    farm.serveOcsp('/issuing', (asked) => answerTo(asked, root));
    await deskOf().outcome(path, { ocsp: { nonce: 'not-sent' } });
    expect(sent).toBeUndefined();
  });

  it('F11 a delegate without nocheck is looked up in the CRL', async () => {
    const chain = ocspChain();
    const delegate = issue('end entity', 'responder', {
      issuer: chain.issuing,
      extra: [factory.extendedKeyUsage('1.3.6.1.5.5.7.3.9'), crlAt(farm.url('/delegates.crl'))],
    });
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, delegate, { certificates: [delegate.der] }));
    expect(await desk.outcome(chain.path)).toMatch(/INVALID .*own revocation status is unknown/);
    farm.serve('/delegates.crl', () => crl(chain.issuing));
    expect(await deskOf().outcome(chain.path)).toBe('accepted');
    farm.serve('/delegates.crl', () => crl(chain.issuing, { revoked: [delegate.certificate.serialNumber] }));
    expect(await deskOf().outcome(chain.path)).toMatch(/INVALID .*own revocation status is revoked/);
  });
});

describe('F19 evidence that cannot be had', () => {
  const faults: Fault[] = ['hang', 'drip', 'reset', 'error 500', 'redirect', 'garbage', 'huge', 'gzip bomb'];
  it.each(faults)('is a refusal for now, within the time of a request: %s', async (fault) => {
    const { path } = bothChain();
    const desk = deskOf({ ocspTimeoutSeconds: 0.4, crlTimeoutSeconds: 0.4 });
    farm.fault = fault;
    const before = performance.now();
    const outcome = await desk.outcome(path, { budgetSeconds: 0.3 });
    expect(outcome).toMatch(/^ERR_CERT_REVOCATION_UNAVAILABLE/);
    expect(performance.now() - before).toBeLessThan(3000);
    expect(farm.hits).not.toContain('/elsewhere');
    await expect.poll(() => desk.events, POLL).toEqual(['answer.unavailable', 'answer.unavailable']);
    farm.fault = undefined;
    desk.pass(16);
    expect(await desk.outcome(path)).toBe('accepted');
  });

  it.each([1, 2, 3, 5, 6])('F17 is what responder status %i leaves', async (status) => {
    const { path } = ocspChain();
    farm.serveOcsp('/tpp', () => ocsp.failure(status));
    expect(await desk.outcome(path)).toMatch(/^ERR_CERT_REVOCATION_UNAVAILABLE .*the responder says/);
  });

  it('does not matter when the other source answers in time', async () => {
    const chain = bothChain();
    const hanging = await new ResponderFarm().listen();
    closing.push(() => hanging.close());
    hanging.fault = 'hang';
    const pins = [
      { issuer: chain.issuing.certificate, ocspUrls: [hanging.url('/')] },
      { issuer: chain.root.certificate, ocspUrls: [hanging.url('/')] },
    ];
    const desk = deskOf({ privateHosts: [farm.host, hanging.host] });
    expect(await desk.outcome(chain.path, { pins })).toBe('accepted');
    expect(hanging.countOf('/')).toBe(2);
  });

  it('is not asked for again until it has cooled down', async () => {
    const { path } = ocspChain();
    farm.fault = 'error 500';
    await desk.outcome(path);
    const count = farm.hits.length;
    expect(await desk.outcome(path)).toMatch('ERR_CERT_REVOCATION_UNAVAILABLE');
    expect(farm.hits).toHaveLength(count);
    farm.fault = undefined;
    desk.pass(16);
    expect(await desk.outcome(path)).toBe('accepted');
  });

  it('is asked for again by itself, so that the next login need not wait', async () => {
    const { path } = ocspChain();
    farm.fault = 'error 500';
    await desk.outcome(path);
    farm.fault = undefined;
    desk.pass(16);
    await expect.poll(() => desk.events.filter((event) => event === 'answer.good').length, POLL).toBe(2);
  });

  it('leaves an address alone that failed twice, also for other certificates', async () => {
    const { path, issuing, root } = ocspChain();
    farm.fault = 'error 500';
    await desk.outcome(path);
    const others = Array.from({ length: 5 }, (_, index) =>
      issue('end entity', `tpp ${index}`, { issuer: issuing, extra: [ocspAt(farm.url('/tpp'))] }),
    );
    for (const other of others) await desk.outcome(pathOf(other, issuing, root));
    expect(farm.countOf('/tpp')).toBe(2);
  });
});

describe('an answer that is in use', () => {
  it('is asked for anew ahead of its end', async () => {
    const { path, issuing } = ocspChain();
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing, { nextUpdate: minutes(2) }));
    await desk.outcome(path);
    farm.serveOcsp('/tpp', (asked) =>
      answerTo(asked, issuing, { thisUpdate: minutes(1), nextUpdate: minutes(9) }),
    );
    desk.pass(61);
    await expect.poll(() => farm.countOf('/tpp'), POLL).toBe(2);
    expect(farm.countOf('/issuing')).toBe(1);
  });

  it('counts until its end while no newer one can be had, and for the grace of the policy', async () => {
    const { path } = ocspChain();
    expect(await desk.outcome(path, { graceSeconds: 60 })).toBe('accepted');
    farm.fault = 'error 500';
    desk.pass(3600);
    expect(await desk.outcome(path, { graceSeconds: 60 })).toBe('accepted');
    desk.pass(50);
    expect(await desk.outcome(path, { graceSeconds: 60 })).toBe('accepted');
    expect(await desk.outcome(path)).toMatch('ERR_CERT_REVOCATION_UNAVAILABLE');
  });

  it('F15 does not give way to an older one', async () => {
    const { path, issuing, tpp } = ocspChain();
    await desk.outcome(path);
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing, { thisUpdate: minutes(-30), extensions: [] }));
    desk.pass(301);
    await expect.poll(() => desk.events, POLL).toContain('answer.invalid');
    expect(desk.revocation.isKnownRevoked(tpp.certificate)).toBe(false);
    expect(await desk.outcome(path)).toBe('accepted');
  });

  it('F24 a CRL does not give way to one with a lower number', async () => {
    const { path, issuing, tpp } = crlChain();
    farm.serve('/tpp.crl', () => crl(issuing, { number: 7 }));
    expect(await desk.outcome(path)).toBe('accepted');
    farm.serve('/tpp.crl', () => crl(issuing, { number: 6, revoked: [tpp.certificate.serialNumber] }));
    desk.pass(301);
    await expect.poll(() => desk.logged.map(({ event }) => event), POLL).toContain('revocation.crl.rollback');
    expect(await desk.outcome(path)).toBe('accepted');
    farm.serve('/tpp.crl', () => crl(issuing, { number: 8, revoked: [tpp.certificate.serialNumber] }));
    desk.pass(301);
    await expect.poll(() => desk.outcome(path), POLL).toMatch('ERR_CERT_REVOKED');
  });
});
