import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { isRefusal, type OpenBankingError } from '../../src/errors.ts';
import {
  type Authority,
  createAuthority,
  type IssuedCertificate,
  type IssueOptions,
} from '../../src/sandbox/pki/pki.ts';
import {
  createTppAuthenticator,
  type Tpp,
  type TppAuthenticatorOptions,
} from '../../src/tpp/authenticate.ts';
import { AuthorisationStatus, type AuthorisationStatusOptions } from '../../src/tpp/authorisation-status.ts';
import type { DecisionStep } from '../../src/tpp/decision.ts';
import { createTrustProfile, type TrustPreset } from '../../src/tpp/trust-profile.ts';
import { createRegistry, parseTppRecords } from '../../tpp-registry/index.ts';

const NOW = new Date('2026-11-24T12:00:00Z');
const PERIOD = { notBefore: new Date('2026-01-01'), notAfter: new Date('2028-01-01') };
const clock: Clock = { now: () => NOW };
const NCA = { id: 'GB-FCA', name: 'Financial Conduct Authority' };
const GOOD: IssueOptions = {
  profile: 'qwac',
  subject: { commonName: 'acme.example', organization: 'Acme Ltd' },
  authorizationNumber: '123456',
  nca: NCA,
  roles: ['PSP_AI', 'PSP_PI'],
  ...PERIOD,
};

function registryOf(change: Record<string, unknown> = {}) {
  const record = {
    authorizationNumber: 'PSDGB-FCA-123456',
    legalName: 'Acme Ltd',
    nca: { id: 'GB-FCA' },
    country: 'GB',
    roles: ['PSP_AI', 'PSP_PI'],
    status: 'active',
    statusSince: '2026-01-31',
    ...change,
  };
  return createRegistry(parseTppRecords(JSON.stringify({ tpps: [record] }), { source: 'test' }), NOW);
}

let root: Authority;
let issuer: Authority;
beforeAll(async () => {
  root = await createAuthority({ name: 'Root', ...PERIOD });
  issuer = await createAuthority({ name: 'Issuing', parent: root, ...PERIOD });
});

type Options = Partial<TppAuthenticatorOptions & AuthorisationStatusOptions>;

function authenticator(options: Options = {}, preset: TrustPreset = 'eu-qualified') {
  const profile = createTrustProfile({
    preset,
    anchorsPem: root.certificatePem,
    intermediatesPem: issuer.certificatePem,
  });
  const authorisationStatus = new AuthorisationStatus({ registry: registryOf(), ...options });
  return createTppAuthenticator({ trust: [{ current: profile }], authorisationStatus, clock, ...options });
}

async function outcome(
  certificate: IssuedCertificate,
  options: Options = {},
  preset?: TrustPreset,
): Promise<string | Tpp> {
  try {
    return await authenticator(options, preset).authenticate({ der: certificate.der });
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
}

describe('a TPP certificate', () => {
  it('that is good proves its TPP, with the roles of certificate and registry (G2, G3)', async () => {
    const certificate = await issuer.issue(GOOD);
    const tpp = await outcome(certificate, { registry: registryOf({ roles: ['PSP_AI', 'PSP_IC'] }) });
    expect(tpp).toMatchObject({
      authorizationNumber: 'PSDGB-FCA-123456',
      nca: NCA,
      country: 'GB',
      legalName: 'Acme Ltd',
    });
    expect([...(tpp as Tpp).roles]).toEqual(['PSP_AI']);
    expect((tpp as Tpp).certificate.serialNumber).toBe(
      new X509Certificate(certificate.certificatePem).serialNumber.toLowerCase(),
    );
    expect(Object.isFrozen(tpp)).toBe(true);
  });

  const refusals: readonly [title: string, change: Partial<IssueOptions>, code: string][] = [
    ['expired (D1)', { notAfter: new Date('2026-11-24T11:59:59Z') }, 'ERR_CERT_EXPIRED'],
    ['not yet valid (D1)', { notBefore: new Date('2026-11-24T12:00:01Z') }, 'ERR_CERT_NOT_YET_VALID'],
    ['with SHA-1 (D22)', { deviation: { signatureHash: 'SHA-1' } }, 'ERR_CERT_WEAK_SIGNATURE'],
    ['with an RSA key of 1024 bits (D19)', { keyType: 'rsa-1024' }, 'ERR_CERT_WEAK_KEY'],
    [
      'without clientAuth (D6)',
      { deviation: { extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'] } },
      'ERR_CERT_EXTENDED_KEY_USAGE',
    ],
    [
      'without extended key usage (D6)',
      { deviation: { extendedKeyUsage: [] } },
      'ERR_CERT_EXTENDED_KEY_USAGE',
    ],
    ['with another key usage (D7)', { deviation: { keyUsage: ['keyEncipherment'] } }, 'ERR_CERT_KEY_USAGE'],
    [
      'with an unknown critical extension (D8)',
      { deviation: { extensions: [{ oid: '1.2.3.4', critical: true, value: Buffer.from('0500', 'hex') }] } },
      'ERR_CERT_CRITICAL_EXTENSION',
    ],
    [
      'with critical QCStatements (G9)',
      { deviation: { qcStatementsCritical: true } },
      'ERR_CERT_CRITICAL_EXTENSION',
    ],
    ['without QCStatements', { deviation: { omit: ['qcStatements'] } }, 'ERR_TPP_STATEMENT_MISSING'],
    ['without the PSD2 statement', { deviation: { omit: ['psd2'] } }, 'ERR_TPP_STATEMENT_MISSING'],
    ['without QcType', { deviation: { omit: ['qcType'] } }, 'ERR_TPP_STATEMENT_MISSING'],
    ['without QcCompliance', { deviation: { omit: ['qcCompliance'] } }, 'ERR_TPP_STATEMENT_MISSING'],
    ['that is a seal (G10)', { deviation: { qcType: 'eseal' } }, 'ERR_TPP_CERTIFICATE_TYPE'],
    ['with no role (G9)', { deviation: { roleEntries: [] } }, 'ERR_TPP_STATEMENT_INVALID'],
    [
      'with the name of another role (G9)',
      { deviation: { roleEntries: [{ oid: '0.4.0.19495.1.3', name: 'PSP_AS' }] } },
      'ERR_TPP_STATEMENT_INVALID',
    ],
    [
      'with a name of its own for a role (G9)',
      { deviation: { roleEntries: [{ oid: '0.4.0.19495.1.3', name: 'Account Information' }] } },
      'ERR_TPP_STATEMENT_INVALID',
    ],
    [
      'with Unspecified beside a role (G9)',
      {
        deviation: {
          roleEntries: [
            { oid: '0.4.0.19495.1.0', name: 'Unspecified' },
            { oid: '0.4.0.19495.1.3', name: 'PSP_AI' },
          ],
        },
      },
      'ERR_TPP_STATEMENT_INVALID',
    ],
    [
      'with a known name under an unknown role',
      { deviation: { roleEntries: [{ oid: '0.4.0.19495.1.77', name: 'PSP_AI' }] } },
      'ERR_TPP_STATEMENT_INVALID',
    ],
    ['with flat roles (G9)', { deviation: { qcFault: 'flat-roles' } }, 'ERR_TPP_STATEMENT_INVALID'],
    [
      'without the outer SEQUENCE (G9)',
      { deviation: { qcFault: 'missing-outer-sequence' } },
      'ERR_TPP_STATEMENT_INVALID',
    ],
    [
      'with a PrintableString NCA name (G9)',
      { deviation: { qcFault: 'printable-nca-name' } },
      'ERR_TPP_STATEMENT_INVALID',
    ],
    [
      'with two PSD2 statements (G9)',
      { deviation: { qcFault: 'two-psd2-statements' } },
      'ERR_TPP_STATEMENT_INVALID',
    ],
    [
      'with QCStatements that are no DER (G9)',
      { deviation: { qcStatements: Buffer.from('3003020101ff', 'hex') } },
      'ERR_TPP_STATEMENT_INVALID',
    ],
    [
      'without an organization identifier',
      { deviation: { organizationIdentifiers: [] } },
      'ERR_TPP_IDENTIFIER_INVALID',
    ],
    [
      'with two organization identifiers (E11)',
      { deviation: { organizationIdentifiers: ['PSDGB-FCA-123456', 'PSDGB-FCA-999999'] } },
      'ERR_TPP_IDENTIFIER_AMBIGUOUS',
    ],
    [
      'with an identifier of no scheme',
      { deviation: { organizationIdentifiers: ['123456'] } },
      'ERR_TPP_IDENTIFIER_INVALID',
    ],
    [
      'of another authority than its identifier (G6)',
      { deviation: { statementNca: { id: 'DE-BAFIN', name: 'BaFin' } } },
      'ERR_TPP_NCA_MISMATCH',
    ],
    ['that the registry does not know', { authorizationNumber: '654321' }, 'ERR_TPP_NOT_REGISTERED'],
  ];
  it.each(refusals)('%s is refused for that reason', async (_title, change, code) => {
    expect(await outcome(await issuer.issue({ ...GOOD, ...change }))).toBe(code);
  });

  it('of the wrong CA with the same name, or a CA that is not there, is untrusted (D17)', async () => {
    const impostor = await createAuthority({ name: 'Issuing', ...PERIOD });
    const stranger = await createAuthority({ name: 'Stranger', ...PERIOD });
    expect(await outcome(await impostor.issue(GOOD))).toMatch(/^ERR_CERT_(UNTRUSTED|SIGNATURE_INVALID)$/);
    expect(await outcome(await stranger.issue(GOOD))).toBe('ERR_CERT_UNTRUSTED');
  });

  it('of a role that nobody knows, or Unspecified, grants nothing', async () => {
    for (const entry of [
      { oid: '0.4.0.19495.1.0', name: 'Unspecified' },
      { oid: '0.4.0.19495.1.77', name: 'VOP_XX' },
    ]) {
      const tpp = await outcome(await issuer.issue({ ...GOOD, deviation: { roleEntries: [entry] } }));
      expect([...(tpp as Tpp).roles]).toEqual([]);
    }
  });

  it('needs no intermediate from the handshake, and can use one', async () => {
    const certificate = await issuer.issue(GOOD);
    const profile = createTrustProfile({ preset: 'eu-qualified', anchorsPem: root.certificatePem });
    const bare = authenticator({ trust: [{ current: profile }] });
    await expect(bare.authenticate({ der: certificate.der })).rejects.toMatchObject({
      code: 'ERR_CERT_UNTRUSTED',
    });
    const intermediates = [Buffer.from('junk'), issuer.der];
    await expect(bare.authenticate({ der: certificate.der, intermediates })).resolves.toMatchObject({
      country: 'GB',
    });
    await expect(authenticator().authenticate({ der: certificate.der })).resolves.toMatchObject({
      country: 'GB',
    });
  });

  it('of the UK directory needs no QcCompliance', async () => {
    const certificate = await issuer.issue({ ...GOOD, deviation: { omit: ['qcCompliance'] } });
    expect(await outcome(certificate, {}, 'uk-directory')).toMatchObject({ legalName: 'Acme Ltd' });
  });

  it('that is no certificate at all is malformed', async () => {
    for (const der of [Buffer.alloc(0), Buffer.from('junk'), Buffer.concat([issuer.der, Buffer.from([0])])]) {
      await expect(authenticator().authenticate({ der })).rejects.toMatchObject({
        code: 'ERR_CERT_MALFORMED',
      });
    }
  });
});

describe('the registry has the last word', () => {
  const cases: readonly [
    title: string,
    change: Record<string, unknown>,
    hostCountry: string | undefined,
    code: string | undefined,
  ][] = [
    ['suspended (G7)', { status: 'suspended' }, undefined, 'ERR_TPP_NOT_AUTHORIZED'],
    ['withdrawn (G7)', { status: 'withdrawn' }, undefined, 'ERR_TPP_NOT_AUTHORIZED'],
    ['not passported into the country (G7)', {}, 'DE', 'ERR_TPP_NOT_PASSPORTED'],
    ['passported into the country', { passportedCountries: ['DE'] }, 'DE', undefined],
    ['at home', {}, 'GB', undefined],
  ];
  it.each(cases)('for a TPP that is %s', async (_title, change, hostCountry, code) => {
    const result = await outcome(await issuer.issue(GOOD), {
      registry: registryOf(change),
      ...(hostCountry === undefined ? {} : { hostCountry }),
    });
    if (code === undefined) expect(result).toMatchObject({ legalName: 'Acme Ltd' });
    else expect(result).toBe(code);
  });

  it('knows the other spellings of an authority (G6)', async () => {
    const nca = { id: 'FI-FINFSA', name: 'Finanssivalvonta' };
    const certificate = await issuer.issue({ ...GOOD, nca, authorizationNumber: '0751699-0' });
    const registry = registryOf({
      authorizationNumber: 'PSDFI-FINFSA-0751699-0',
      nca: { id: 'FI_FIN-FSA' },
      country: 'FI',
    });
    expect(await outcome(certificate, { registry })).toMatchObject({
      authorizationNumber: 'PSDFI-FINFSA-0751699-0',
    });
  });

  it('takes former names of an authority for the same, in the identifier too (G6)', async () => {
    const certificate = await issuer.issue({
      ...GOOD,
      nca: { id: 'HR-HNB', name: 'Hrvatska narodna banka' },
      deviation: { organizationIdentifiers: ['PSDHR-CNB-4711'] },
    });
    const registry = registryOf({
      authorizationNumber: 'PSDHR-CNB-4711',
      nca: { id: 'HR_HNB' },
      country: 'HR',
    });
    expect(await outcome(certificate, { registry })).toMatchObject({ nca: { id: 'HR-HNB' }, country: 'HR' });
  });

  it('tells TPPs apart by authority where the identifier names none (EN 319 412-1 cl. 5.1.4)', async () => {
    const records = [{ nca: { id: 'GB-FCA' } }, { nca: { id: 'IE-CBI' }, country: 'IE' }].map((change) => ({
      authorizationNumber: 'NTRGB-09215384',
      legalName: 'Acme Ltd',
      country: 'GB',
      roles: ['PSP_AI'],
      status: 'active',
      statusSince: '2026-01-31',
      ...change,
    }));
    const registry = createRegistry(
      parseTppRecords(JSON.stringify({ tpps: records }), { source: 'test' }),
      NOW,
    );
    const deviation = { organizationIdentifiers: ['NTRGB-09215384'] };
    const of = async (id: string) =>
      outcome(await issuer.issue({ ...GOOD, nca: { id, name: 'Authority' }, deviation }), { registry });
    expect(await of('GB-FCA')).toMatchObject({ country: 'GB' });
    expect(await of('IE-CBI')).toMatchObject({ country: 'IE' });
    expect(await of('DE-BAFIN')).toBe('ERR_TPP_NOT_REGISTERED');
    const one = registryOf({ authorizationNumber: 'NTRGB-09215384' });
    const elsewhere = await issuer.issue({ ...GOOD, nca: { id: 'DE-BAFIN', name: 'BaFin' }, deviation });
    expect(await outcome(elsewhere, { registry: one })).toBe('ERR_TPP_NCA_MISMATCH');
  });

  it('and dates are asked every time, although the path is remembered (C9, G4)', async () => {
    let now = NOW;
    const records = [registryOf(), registryOf({ status: 'withdrawn' })];
    let current = 0;
    const registry = {
      ...registryOf(),
      find: (...args: [string, string?]) => records[current]?.find(...args),
    };
    const subject = authenticator({ registry, clock: { now: () => now } });
    const { der } = await issuer.issue({ ...GOOD, notAfter: new Date('2026-12-01') });
    await subject.authenticate({ der });
    current = 1;
    await expect(subject.authenticate({ der })).rejects.toMatchObject({ code: 'ERR_TPP_NOT_AUTHORIZED' });
    current = 0;
    await subject.authenticate({ der });
    now = new Date('2026-12-02');
    await expect(subject.authenticate({ der })).rejects.toMatchObject({ code: 'ERR_CERT_EXPIRED' });
  });
});

describe('a decision that is explained', () => {
  const rulesOf = (steps: readonly DecisionStep[]) => steps.map(({ rule }) => rule);

  it('names every rule that was applied, with its clause, and ends in the same TPP', async () => {
    const { der } = await issuer.issue(GOOD);
    const subject = authenticator({ hostCountry: 'GB' });
    const evaluation = await subject.evaluate({ der });
    expect(evaluation).toMatchObject({ tpp: { authorizationNumber: 'PSDGB-FCA-123456' } });
    const rules = rulesOf(evaluation.steps);
    expect(rules.slice(0, 2)).toEqual(['certificate', 'trust profile']);
    expect(rules).toContain('name constraints');
    expect(rules.slice(-12)).toEqual([
      'QCStatements',
      'PSD2 statement',
      'QcType',
      'QcCompliance',
      'no QcSSCD',
      'QcCClegislation',
      'organizationIdentifier',
      'competent authority',
      'registered',
      'authorized',
      'passported',
      'roles',
    ]);
    expect(evaluation.steps.every(({ clause, refusal }) => clause !== '' && refusal === undefined)).toBe(
      true,
    );
  });

  it.each<[rule: string, change: Partial<IssueOptions>, registry: Record<string, unknown>]>([
    ['validity', { notAfter: new Date('2026-11-24T11:59:59Z') }, {}],
    ['QCStatements', { deviation: { qcFault: 'flat-roles' } }, {}],
    ['PSD2 statement', { deviation: { omit: ['psd2'] } }, {}],
    ['QcType', { deviation: { qcType: 'eseal' } }, {}],
    ['QcCompliance', { deviation: { omit: ['qcCompliance'] } }, {}],
    ['organizationIdentifier', { deviation: { organizationIdentifiers: [] } }, {}],
    ['competent authority', { deviation: { statementNca: { id: 'DE-BAFIN', name: 'BaFin' } } }, {}],
    ['registered', { authorizationNumber: '654321' }, {}],
    ['authorized', {}, { status: 'withdrawn' }],
  ])('ends with the rule that refused: %s', async (rule, change, record) => {
    const { der } = await issuer.issue({ ...GOOD, ...change });
    const subject = authenticator({ registry: registryOf(record) });
    const evaluation = await subject.evaluate({ der });
    const code = await subject.authenticate({ der }).catch((error: unknown) => error);
    expect(evaluation).toMatchObject({ refusal: { code: (code as OpenBankingError).code } });
    expect(rulesOf(evaluation.steps).at(-1)).toBe(rule);
    expect(evaluation.steps.filter(({ refusal }) => refusal !== undefined)).toHaveLength(1);
  });

  it('is told of the profile that knows the issuer, and of bytes that are no certificate', async () => {
    const stranger = await createAuthority({ name: 'Stranger', ...PERIOD });
    const profiles = [stranger, root].map(({ certificatePem }) =>
      createTrustProfile({
        preset: 'own-ca',
        anchorsPem: certificatePem,
        intermediatesPem: issuer.certificatePem,
      }),
    );
    const subject = authenticator({ trust: profiles.map((current) => ({ current })) });
    const { der } = await issuer.issue({ ...GOOD, deviation: { omit: ['psd2'] } });
    const { steps } = await subject.evaluate({ der });
    expect(rulesOf(steps).filter((rule) => rule === 'trust profile')).toHaveLength(1);
    expect(rulesOf(steps).at(-1)).toBe('PSD2 statement');
    expect(await subject.evaluate({ der: Buffer.from('junk') })).toMatchObject({
      refusal: { code: 'ERR_CERT_MALFORMED' },
      steps: [{ rule: 'certificate' }],
    });
  });
});
