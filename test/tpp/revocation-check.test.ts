import { beforeAll, describe, expect, it } from 'vitest';
import { isRefusal, OpenBankingError } from '../../src/errors.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../../src/sandbox/pki/pki.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { createTppAuthenticator } from '../../src/tpp/authenticate.ts';
import { createTrustProfile } from '../../src/tpp/trust-profile.ts';
import type { VerifiedPath } from '../../src/x509/path/path.ts';
import { type Revocation, STRICT_REVOCATION } from '../../src/x509/revocation/revocation.ts';
import { createRegistry, parseTppRecords } from '../../tpp-registry/index.ts';

const NOW = new Date('2026-11-24T12:00:00Z');
const PERIOD = { notBefore: new Date('2026-01-01'), notAfter: new Date('2028-01-01') };
const record = {
  authorizationNumber: 'PSDGB-FCA-123456',
  legalName: 'Acme Ltd',
  nca: { id: 'GB-FCA' },
  country: 'GB',
  roles: ['PSP_AI'],
  status: 'active',
  statusSince: '2026-01-31',
};
const whose = { subject: 'CN=acme', serialNumber: '01' };
const revoked = new OpenBankingError('ERR_CERT_REVOKED', {
  ...whose,
  source: 'crl',
  reason: 'keyCompromise',
  revokedAt: NOW,
});

let root: Authority;
let certificate: IssuedCertificate;
beforeAll(async () => {
  root = await createAuthority({ name: 'Root', ...PERIOD });
  certificate = await root.issue({
    profile: 'qwac',
    subject: { commonName: 'acme.example', organization: 'Acme Ltd' },
    authorizationNumber: '123456',
    nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' },
    roles: ['PSP_AI'],
    ...PERIOD,
  });
});

function authenticator(check?: Revocation['check'], policy = STRICT_REVOCATION) {
  const profile = createTrustProfile({
    preset: 'eu-qualified',
    anchorsPem: root.certificatePem,
    revocation: policy,
  });
  return createTppAuthenticator({
    trust: [{ current: profile }],
    authorisationStatus: new AuthorisationStatus({
      registry: createRegistry(parseTppRecords(JSON.stringify({ tpps: [record] }), { source: 'test' }), NOW),
    }),
    clock: { now: () => NOW },
    ...(check === undefined ? {} : { revocation: { check } }),
  });
}

async function outcome(check: Revocation['check']): Promise<string> {
  try {
    return (await authenticator(check).authenticate({ der: certificate.der })).authorizationNumber;
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
}

describe('revocation of a TPP certificate', () => {
  it.each<readonly [string, Revocation['check'], string]>([
    ['known to be good', () => undefined, 'PSDGB-FCA-123456'],
    ['found to be good', async () => {}, 'PSDGB-FCA-123456'],
    [
      'known to be revoked',
      () => {
        throw revoked;
      },
      'ERR_CERT_REVOKED',
    ],
    ['found to be revoked', () => Promise.reject(revoked), 'ERR_CERT_REVOKED'],
    [
      'not to be had',
      () =>
        Promise.reject(new OpenBankingError('ERR_CERT_REVOCATION_UNAVAILABLE', { ...whose, problems: [] })),
      'ERR_CERT_REVOCATION_UNAVAILABLE',
    ],
  ])('decides when it is %s (RFC 5280 §6.3)', async (_what, check, expected) => {
    expect(await outcome(check)).toBe(expected);
  });

  it('F3 is asked about on every request, by the policy of the profile and for the whole path', async () => {
    const asked: [VerifiedPath, unknown][] = [];
    let isRevoked = false;
    const one = authenticator((path, policy) => {
      asked.push([path, policy]);
      if (isRevoked) throw revoked;
      return undefined;
    });
    const tpp = await one.authenticate({ der: certificate.der });
    expect(tpp.certificate.issuerKeyHash).toMatch(/^[0-9a-f]{64}$/);
    isRevoked = true;
    await expect(one.authenticate({ der: certificate.der })).rejects.toBe(revoked);
    expect(asked.map(([path, policy]) => [path.certificates.length, policy])).toEqual([
      [2, STRICT_REVOCATION],
      [2, STRICT_REVOCATION],
    ]);
  });

  it('is a step of the decision, with what refused', async () => {
    const good = await authenticator(async () => {}).evaluate({ der: certificate.der });
    expect(good.steps.find(({ rule }) => rule === 'not revoked')).toMatchObject({ found: 'ocsp-first' });
    const bad = await authenticator(() => Promise.reject(revoked)).evaluate({ der: certificate.der });
    expect(bad.steps.at(-1)).toMatchObject({ rule: 'not revoked', refusal: revoked });
  });

  it('cannot be asked for where nothing can check it', () => {
    expect(() => authenticator()).toThrow(TypeError);
  });
});
