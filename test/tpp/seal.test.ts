import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../src/errors.ts';
import { type Authority, createAuthority, type IssueOptions } from '../../src/sandbox/pki/pki.ts';
import { createTppAuthenticator } from '../../src/tpp/authenticate.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { createTrustProfile } from '../../src/tpp/trust-profile.ts';
import { createRegistry, parseTppRecords } from '../../tpp-registry/index.ts';

const PERIOD = { notBefore: new Date('2026-01-01'), notAfter: new Date('2028-01-01') };
const NOW = new Date('2026-11-24T12:00:00Z');
const SEAL: IssueOptions = {
  profile: 'qsealc',
  subject: { commonName: 'Acme Ltd', organization: 'Acme Ltd' },
  authorizationNumber: '123456',
  nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' },
  roles: ['PSP_AI'],
  ...PERIOD,
};

function authenticatorOf(authority: Authority, status = 'active') {
  const record = {
    authorizationNumber: 'PSDGB-FCA-123456',
    legalName: 'Acme Ltd',
    nca: { id: 'GB-FCA' },
    country: 'GB',
    roles: ['PSP_AI'],
    status,
    statusSince: '2026-01-01',
  };
  const registry = createRegistry(
    parseTppRecords(JSON.stringify({ tpps: [record] }), { source: 'test' }),
    NOW,
  );
  const current = createTrustProfile({
    preset: 'eu-qualified',
    anchorsPem: authority.certificatePem,
    // QCP-w, which no seal has.
    policies: ['0.4.0.194112.1.4'],
  });
  return createTppAuthenticator({
    trust: [{ current }],
    authorisationStatus: new AuthorisationStatus({ registry }),
    clock: { now: () => NOW },
  });
}

const outcomeOf = async (work: Promise<{ readonly authorizationNumber: string }>) => {
  try {
    return (await work).authorizationNumber;
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
};

describe('the certificate of a seal', () => {
  it('passes the rules of its TPP with the type of a seal, and no other certificate does (TS 119 495 cl. 5.3)', async () => {
    const organization = 'Sandbox';
    const authority = await createAuthority({ name: 'CA', organization, country: 'GB', ...PERIOD });
    const stranger = await createAuthority({ name: 'CA', organization, country: 'GB', ...PERIOD });
    const derOf = async (options: IssueOptions, by = authority) => ({
      der: new X509Certificate((await by.issue(options)).certificatePem).raw,
    });
    const authenticator = authenticatorOf(authority);
    const seal = await derOf(SEAL);
    const judged = async (options: IssueOptions, by?: Authority) =>
      outcomeOf(authenticator.authenticateSeal(await derOf(options, by)));
    expect(await judged(SEAL)).toBe('PSDGB-FCA-123456');
    expect(await judged({ ...SEAL, profile: 'qwac' })).toBe('ERR_TPP_SEAL_TYPE');
    expect(await judged({ ...SEAL, deviation: { omit: ['psd2'] } })).toBe('ERR_TPP_STATEMENT_MISSING');
    expect(await judged({ ...SEAL, deviation: { omit: ['qcCompliance'] } })).toBe(
      'ERR_TPP_STATEMENT_MISSING',
    );
    expect(await judged({ ...SEAL, notAfter: new Date('2026-02-01') })).toBe('ERR_CERT_EXPIRED');
    expect(await judged(SEAL, stranger)).toMatch(/^ERR_CERT_(UNTRUSTED|SIGNATURE_INVALID)$/);
    // And the other way round: a seal is no way into a TLS connection.
    expect(await outcomeOf(authenticator.authenticate(seal))).toMatch(/^ERR_CERT_|^ERR_TPP_/);
    expect(await outcomeOf(authenticatorOf(authority, 'withdrawn').authenticateSeal(seal))).toBe(
      'ERR_TPP_NOT_AUTHORIZED',
    );
  });
});
