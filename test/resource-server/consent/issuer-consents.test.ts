import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Authorization,
  type Authorizer,
  type AuthorizerOptions,
  type ConsentOptions,
  createAuthorizer,
} from '../../../src/resource-server/index.ts';
import { AUDIENCE, createTestCertificates, createTestIssuer, ISSUER, type TestIssuer } from '../issuer.ts';
import { clientOf } from '../signatures/signed-client.ts';
import { CONSENT, type ConsentSource, serveConsents } from './consent-source.ts';

let issuer: TestIssuer;
let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
let consents: ConsentSource;
const opened: Authorizer[] = [];

beforeAll(async () => {
  issuer = await createTestIssuer();
  certificates = await createTestCertificates();
  consents = await serveConsents(issuer, certificates);
});
afterAll(async () => {
  await Promise.all(opened.map((one) => one.close()));
  await consents.close();
});
beforeEach(() => {
  consents.state.answer = CONSENT;
  consents.state.questions.length = 0;
});

const optionsOf = (more: Partial<ConsentOptions> = {}): AuthorizerOptions => ({
  issuer: ISSUER,
  audience: AUDIENCE,
  jwks: issuer.jwks,
  clock: { now: () => consents.state.now },
  caPem: certificates.authority.certificatePem,
  consents: { ...consents.options, response: 'plain', ...more },
});
function open(more: Partial<ConsentOptions> = {}): Authorizer {
  const made = createAuthorizer(optionsOf(more));
  opened.push(made);
  return made;
}
const pass = (seconds: number) => {
  consents.state.now = new Date(consents.state.now.getTime() + seconds * 1000);
};
const authorized = (consentId = 'consent-1'): Authorization =>
  clientOf({ clientId: 'acme', subject: 'psu-1', consentId });
const count = () => consents.state.questions.length;
const refusalOf = (answer: Promise<unknown>) =>
  answer.then(
    () => 'none',
    (error) => error.code,
  );

describe('the consents of an issuer', () => {
  it('are asked about under the name of this API, and answered with every fact, frozen', async () => {
    const consent = await open().consentOf(authorized());
    expect(consent).toEqual({ ...CONSENT, expiresAt: new Date(CONSENT.expiresAt) });
    expect(Object.isFrozen(consent.accountIds)).toBe(true);
    expect(consents.state.questions[0]?.url).toBe('/consent-information/consent-1?client_id=api');
    consents.state.answer = { ...CONSENT, consentId: 'urn:x/y' };
    await open().consentOf(authorized('urn:x/y'));
    expect(consents.state.questions[1]?.url).toBe('/consent-information/urn%3Ax%2Fy?client_id=api');
  });

  it('are asked about once, however many requests wait, and again after two seconds', async () => {
    const { consentOf } = open();
    await Promise.all(Array.from({ length: 50 }, () => consentOf(authorized())));
    expect(count()).toBe(1);
    pass(1.9);
    await consentOf(authorized());
    expect(count()).toBe(1);
    pass(0.2);
    await Promise.all([consentOf(authorized()), consentOf(authorized())]);
    expect(count()).toBe(2);
    expect(consents.state.questions[1]?.etag).toBeDefined();
  });

  it('end for every request that begins five seconds after their end, at the latest', async () => {
    const { consentOf } = open({ maxAgeSeconds: 5 });
    await consentOf(authorized());
    consents.state.answer = { ...CONSENT, status: 'revoked' };
    pass(5);
    expect(await refusalOf(consentOf(authorized()))).toBe('ERR_CONSENT_INACTIVE');
  });

  it('end with the next request where answers have no age', async () => {
    const { consentOf } = open({ maxAgeSeconds: 0 });
    await consentOf(authorized());
    consents.state.answer = 404;
    expect(await refusalOf(consentOf(authorized()))).toBe('ERR_CONSENT_INACTIVE');
  });

  it('end by their date between two answers', async () => {
    const { consentOf } = open({ maxAgeSeconds: 5 });
    const end = new Date(consents.state.now.getTime() + 1000).toISOString();
    consents.state.answer = { ...CONSENT, expiresAt: end };
    await consentOf(authorized());
    pass(1);
    await expect(consentOf(authorized())).rejects.toMatchObject({ details: { status: 'expired' } });
    expect(count()).toBe(1);
  });

  it('do not live on while the issuer does not answer, which is then left alone for a second (L7)', async () => {
    const { consentOf } = open();
    await consentOf(authorized());
    consents.state.answer = 503;
    pass(2);
    for (const id of ['consent-1', 'a', 'b', 'c', 'a']) {
      expect(await refusalOf(consentOf(authorized(id)))).toBe('ERR_CONSENT_UNAVAILABLE');
    }
    expect(count()).toBe(3);
    consents.state.answer = CONSENT;
    pass(1);
    await consentOf(authorized());
  });

  it('take a bounded memory, by number and by bytes: the one in use longest ago is forgotten', async () => {
    const { consentOf } = open({ memory: { maxConsents: 2 } });
    const ask = async (consentId: string) => {
      consents.state.answer = { ...CONSENT, consentId };
      const before = count();
      await consentOf(authorized(consentId));
      return count() > before;
    };
    expect([await ask('a'), await ask('b'), await ask('a'), await ask('c')]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    expect([await ask('a'), await ask('b')]).toEqual([false, true]);

    const small = open({ memory: { maxBytes: 5000 } });
    await small.consentOf(authorized('b'));
    expect(count()).toBe(5);
    await small.consentOf(authorized('b'));
    expect(count()).toBe(5);
    consents.state.answer = { ...CONSENT, consentId: 'large', accountIds: ['x'.repeat(3000)] };
    await small.consentOf(authorized('large'));
    await small.consentOf(authorized('large'));
    expect(count()).toBe(7);
  });

  it('are signed by default: an answer without a signature, or an old one, is none', async () => {
    const { consentOf } = open({ response: 'signed' });
    expect((await consentOf(authorized())).accountIds).toEqual(['acc-1', 'acc-2']);
    pass(2);
    await consentOf(authorized());
    expect(consents.state.questions.map(({ etag }) => etag)).toEqual([undefined, undefined]);
    const stranger = createAuthorizer({
      ...optionsOf({ response: 'signed' }),
      jwks: (await createTestIssuer()).jwks,
    });
    opened.push(stranger);
    expect(await refusalOf(stranger.consentOf(authorized()))).toBe('ERR_CONSENT_UNAVAILABLE');
  });

  it.each([
    ['an address without TLS', { endpoint: 'http://as.example/consent-information/' }],
    ['an address that does not end with a slash', { endpoint: 'https://as.example/consent-information' }],
    ['no name', { clientId: '' }],
    ['an answer that counts for longer than five seconds', { maxAgeSeconds: 6 }],
  ])('cannot be asked about with %s', (_name, more) => {
    expect(() => open(more)).toThrow(TypeError);
  });

  it('cannot be had from an authorizer without them', async () => {
    const { consents: _none, ...options } = optionsOf();
    const without = createAuthorizer(options);
    opened.push(without);
    expect(without.knowsConsents).toBe(false);
    await expect(without.consentOf(authorized())).rejects.toThrow(TypeError);
  });
});
