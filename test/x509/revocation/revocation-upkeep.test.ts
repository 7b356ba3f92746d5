import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { issue } from '../certificate-factory.ts';
import { bothChain, crlChain, ocspAt, ocspChain, pathOf } from '../checked-path.ts';
import * as ocsp from '../ocsp/ocsp-factory.ts';
import { minutes } from '../ocsp/ocsp-factory.ts';
import { answerTo, crl, type Fault, type ResponderFarm } from './responder-farm.ts';
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

describe('F19 evidence that cannot be had', () => {
  const faults: Fault[] = ['hang', 'drip', 'reset', 'error 500', 'redirect', 'garbage', 'huge', 'gzip bomb'];
  it.each(faults)('is a refusal for now, within the time of a request: %s', async (fault) => {
    const { path } = bothChain(farm);
    const desk = lab.desk({ ocspTimeoutSeconds: 0.4, crlTimeoutSeconds: 0.4 });
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
    const { path } = ocspChain(farm);
    farm.serveOcsp('/tpp', () => ocsp.failure(status));
    expect(await desk.outcome(path)).toMatch(/^ERR_CERT_REVOCATION_UNAVAILABLE .*the responder says/);
  });

  it('does not matter when the other source answers in time', async () => {
    const chain = bothChain(farm);
    const hanging = await lab.farmOf();
    hanging.fault = 'hang';
    const pins = [
      { issuer: chain.issuing.certificate, ocspUrls: [hanging.url('/')] },
      { issuer: chain.root.certificate, ocspUrls: [hanging.url('/')] },
    ];
    const desk = lab.desk({ privateHosts: [farm.host, hanging.host] });
    expect(await desk.outcome(chain.path, { pins })).toBe('accepted');
    expect(hanging.countOf('/')).toBe(2);
  });

  it('is not asked for again until it has cooled down', async () => {
    const { path } = ocspChain(farm);
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
    const { path } = ocspChain(farm);
    farm.fault = 'error 500';
    await desk.outcome(path);
    farm.fault = undefined;
    desk.pass(16);
    await expect.poll(() => desk.events.filter((event) => event === 'answer.good').length, POLL).toBe(2);
  });

  it('leaves an address alone that failed twice, also for other certificates', async () => {
    const { path, issuing, root } = ocspChain(farm);
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
    const { path, issuing } = ocspChain(farm);
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
    const { path } = ocspChain(farm);
    expect(await desk.outcome(path, { graceSeconds: 60 })).toBe('accepted');
    farm.fault = 'error 500';
    desk.pass(3600);
    expect(await desk.outcome(path, { graceSeconds: 60 })).toBe('accepted');
    desk.pass(50);
    expect(await desk.outcome(path, { graceSeconds: 60 })).toBe('accepted');
    expect(await desk.outcome(path)).toMatch('ERR_CERT_REVOCATION_UNAVAILABLE');
  });

  it('is asked for anew as often as the policy says', async () => {
    const { path } = ocspChain(farm);
    await desk.outcome(path, { refreshSeconds: 2 });
    desk.pass(3);
    await expect.poll(() => farm.countOf('/tpp'), POLL).toBe(2);
  });

  it('F15 does not give way to an older one', async () => {
    const { path, issuing, tpp } = ocspChain(farm);
    await desk.outcome(path);
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing, { thisUpdate: minutes(-30), extensions: [] }));
    desk.pass(301);
    await expect.poll(() => desk.events, POLL).toContain('answer.invalid');
    expect(desk.revocation.isKnownRevoked(tpp.certificate)).toBe(false);
    expect(await desk.outcome(path)).toBe('accepted');
  });

  it('F24 a CRL does not give way to one with a lower number', async () => {
    const { path, issuing, tpp } = crlChain(farm);
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

describe('a certificate of which both sources must say good', () => {
  const policy = { mode: 'both' } as const;
  it('F15 is not saved by an old OCSP answer that somebody replays', async () => {
    const { path, issuing, tpp } = bothChain(farm);
    expect(await desk.outcome(path, policy)).toBe('accepted');
    expect(farm.hits.toSorted()).toEqual(['/issuing', '/issuing.crl', '/tpp', '/tpp.crl']);
    farm.serve('/tpp.crl', () => crl(issuing, { number: 2, revoked: [tpp.certificate.serialNumber] }));
    expect(await lab.desk().outcome(path)).toBe('accepted');
    expect(await lab.desk().outcome(path, policy)).toMatch('ERR_CERT_REVOKED');
  });

  it('is refused when one of them is silent, and good only until the first of them ends', async () => {
    const { path, issuing } = bothChain(farm);
    farm.serve('/tpp.crl', () => crl(issuing, { nextUpdate: minutes(10) }));
    expect(await desk.outcome(path, policy)).toBe('accepted');
    farm.serve('/tpp.crl', () => Buffer.from('gone'));
    desk.pass(601);
    expect(await desk.outcome(path, policy)).toMatch('ERR_CERT_REVOCATION_UNAVAILABLE');
    expect(await lab.desk().outcome(path, policy)).toMatch('ERR_CERT_REVOCATION_UNAVAILABLE');
  });

  it('has one source where it names one', async () => {
    expect(await desk.outcome(ocspChain(farm).path, policy)).toBe('accepted');
  });
});
