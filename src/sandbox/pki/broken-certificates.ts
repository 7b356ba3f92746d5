import { ROLE_OIDS } from '../../tpp/psp-role.ts';
import { type Deviation, type IssueOptions, SERVER_AUTH, type Validity } from './issue-options.ts';
import { type Authority, authorityOf, createAuthority, type IssuedCertificate } from './pki.ts';
import { qwacOf, type TppPlan } from './tpps.ts';

/** A certificate that must be refused, and the code with which. */
export interface BrokenCertificate {
  readonly name: string;
  readonly expectedCode: string;
  readonly certificate: IssuedCertificate;
  /** PEM of the authorities that the peer sends along. */
  readonly sentPem: string;
  /** The authority that publishes about it, if one does. */
  readonly authority: 'issuing-ca' | 'revoked-ca' | undefined;
  /** The CA of the certificate revokes it. */
  readonly isRevoked: boolean;
}

export interface BrokenSources {
  readonly issuer: Authority;
  /** Has the issuer's name and another key. */
  readonly impostor: Authority;
  /** Has been revoked by its root. */
  readonly revoked: Authority;
  /** A good CA whose certificate no TPP sends along. */
  readonly unpublished: Authority;
  /** A root that is trusted nowhere. */
  readonly stranger: Authority;
  readonly plan: TppPlan;
  readonly period: Validity;
}

interface Row {
  readonly name: string;
  readonly code: string;
  /** Default: the issuing CA. */
  readonly signer?: Authority;
  /** Where it departs from a good QWAC. */
  readonly options?: Partial<IssueOptions>;
  readonly deviation?: Deviation;
  readonly sentPem?: string;
  readonly isRevoked?: true;
}

const DAY = 86_400_000;
/** RolesOfPSP in which each role has the object identifier of the other. */
const SWAPPED_ROLES = [
  { oid: ROLE_OIDS.PSP_PI, name: 'PSP_AI' },
  { oid: ROLE_OIDS.PSP_AI, name: 'PSP_PI' },
];
const OTHER_NCAS = [
  { id: 'FI-FINFSA', name: 'Finanssivalvonta' },
  { id: 'GB-FCA', name: 'Financial Conduct Authority' },
];
/** Its type is of the arc for examples of RFC 4043; no software knows it. */
const UNKNOWN_EXTENSION = { oid: '1.3.6.1.4.1.32473.1', critical: true, value: new Uint8Array([5, 0]) };

/** Certificates of a good TPP, each with one thing wrong. */
export async function makeBrokenCertificates(sources: BrokenSources): Promise<readonly BrokenCertificate[]> {
  const { issuer, plan, period } = sources;
  const good = qwacOf(plan, period);
  const rows = [
    ...wrongContents(period),
    ...wrongIdentities(plan),
    ...revokedOnes(sources),
    ...(await wrongPaths(sources)),
  ];
  return Promise.all(
    rows.map(async ({ name, code, signer = issuer, options, deviation = {}, sentPem = '', isRevoked }) => ({
      name,
      expectedCode: code,
      certificate: await signer.issue({ ...good, deviation, ...options }),
      sentPem,
      authority: signer === issuer ? 'issuing-ca' : signer === sources.revoked ? 'revoked-ca' : undefined,
      isRevoked: isRevoked === true,
    })),
  );
}

function wrongContents({ notBefore, notAfter }: Validity): Row[] {
  const firstNoon = new Date(notBefore.getTime() + DAY / 2);
  const lastDay = new Date(notAfter.getTime() - DAY);
  const invalid = 'ERR_TPP_STATEMENT_INVALID';
  return [
    { name: 'expired', code: 'ERR_CERT_EXPIRED', options: { notAfter: firstNoon } },
    { name: 'not-yet-valid', code: 'ERR_CERT_NOT_YET_VALID', options: { notBefore: lastDay } },
    // The roles are well-formed; the role that the scope `accounts` needs is missing.
    { name: 'wrong-role', code: 'ERR_TPP_ROLE_MISSING', options: { roles: ['PSP_PI'] } },
    { name: 'no-role', code: invalid, deviation: { roleEntries: [] } },
    { name: 'role-name-and-oid-swapped', code: invalid, deviation: { roleEntries: SWAPPED_ROLES } },
    { name: 'no-psd2-statement', code: 'ERR_TPP_STATEMENT_MISSING', deviation: { omit: ['psd2'] } },
    {
      name: 'no-qc-statements',
      code: 'ERR_TPP_STATEMENT_MISSING',
      deviation: { omit: ['qcStatements'] },
    },
    {
      name: 'server-auth-only',
      code: 'ERR_CERT_EXTENDED_KEY_USAGE',
      deviation: { extendedKeyUsage: [SERVER_AUTH] },
    },
    { name: 'seal-used-for-tls', code: 'ERR_CERT_EXTENDED_KEY_USAGE', options: { profile: 'qsealc' } },
    { name: 'seal-type-with-client-auth', code: 'ERR_TPP_CERTIFICATE_TYPE', deviation: { qcType: 'eseal' } },
    { name: 'sha-1', code: 'ERR_CERT_WEAK_SIGNATURE', deviation: { signatureHash: 'SHA-1' } },
    { name: 'rsa-1024', code: 'ERR_CERT_WEAK_KEY', options: { keyType: 'rsa-1024' } },
    {
      name: 'unknown-critical-extension',
      code: 'ERR_CERT_CRITICAL_EXTENSION',
      deviation: { extensions: [UNKNOWN_EXTENSION] },
    },
    { name: 'malformed-der', code: 'ERR_CERT_MALFORMED', deviation: { derFault: 'ber-boolean' } },
  ];
}

function wrongIdentities({ nca, number }: TppPlan): Row[] {
  const statementNca = OTHER_NCAS.find(({ id }) => id !== nca.id);
  const unhyphened = `PSD${nca.id}${number}`;
  return [
    {
      name: 'wrong-authority',
      code: 'ERR_TPP_NCA_MISMATCH',
      deviation: statementNca === undefined ? {} : { statementNca },
    },
    {
      name: 'no-organization-identifier',
      code: 'ERR_TPP_IDENTIFIER_INVALID',
      deviation: { organizationIdentifiers: [] },
    },
    {
      name: 'malformed-organization-identifier',
      code: 'ERR_TPP_IDENTIFIER_INVALID',
      deviation: { organizationIdentifiers: [unhyphened] },
    },
    { name: 'unregistered-tpp', code: 'ERR_TPP_NOT_REGISTERED', options: { authorizationNumber: '999999' } },
  ];
}

/** Each of the first two can be asked about in one way only. */
function revokedOnes({ issuer, revoked }: BrokenSources): Row[] {
  const { ocspUrl = '', crlUrl = '' } = issuer.publishes;
  const code = 'ERR_CERT_REVOKED';
  return [
    { name: 'revoked-by-crl', code, deviation: { pointers: { crlUrl } }, isRevoked: true },
    { name: 'revoked-by-ocsp', code, deviation: { pointers: { ocspUrl } }, isRevoked: true },
    { name: 'revoked-intermediate', code, signer: revoked, sentPem: revoked.chainPem },
  ];
}

async function wrongPaths({
  issuer,
  impostor,
  unpublished,
  stranger,
  plan,
  period,
}: BrokenSources): Promise<Row[]> {
  const leaf = authorityOf(await issuer.issue(qwacOf(plan, period)), issuer.publishes);
  const below = await createAuthority({
    name: 'Tallystick Sandbox CA Too Deep',
    organization: 'Tallystick Sandbox',
    country: plan.nca.id.slice(0, 2),
    parent: issuer,
    publishes: issuer.publishes,
    ...period,
  });
  return [
    { name: 'wrong-ca', code: 'ERR_CERT_UNTRUSTED', signer: impostor },
    { name: 'unknown-issuer', code: 'ERR_CERT_UNTRUSTED', signer: stranger },
    { name: 'missing-intermediate', code: 'ERR_CERT_UNTRUSTED', signer: unpublished },
    { name: 'leaf-used-as-ca', code: 'ERR_CERT_NOT_A_CA', signer: leaf, sentPem: leaf.chainPem },
    { name: 'path-too-long', code: 'ERR_CERT_PATH_LENGTH', signer: below, sentPem: below.chainPem },
  ];
}
