import {
  AuthorityInfoAccessExtension,
  CertificatePolicyExtension,
  CRLDistributionPointsExtension,
  Extension,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509';
import { ROLE_OIDS } from '../../tpp/psp-role.ts';
import type { Deviation, IssueOptions, Pointers, Profile } from './issue-options.ts';
import { encodeQcStatements } from './qc-statements.ts';

const QC_STATEMENTS = '1.3.6.1.5.5.7.1.3';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';
/** RFC 6960 §4.2.2.2.1. */
const OCSP_NOCHECK = '1.3.6.1.5.5.7.48.1.5';
const DER_NULL = new Uint8Array([5, 0]).buffer;
/** Microsoft document signing, as UK OBSeal certificates carry it. */
const DOCUMENT_SIGNING = '1.3.6.1.4.1.311.10.3.12';
/** QEVCP-w (EN 319 411-2) and qcp-web-psd2 (TS 119 495); QCP-l for seals. */
const POLICIES: Readonly<Record<Profile, readonly string[]>> = {
  qwac: ['0.4.0.194112.1.4', '0.4.0.19495.3.1'],
  qsealc: ['0.4.0.194112.1.1'],
  server: [],
  'ocsp-responder': [],
};

/** The extensions of a profile about the holder and the use of a certificate. */
export function subjectExtensions(options: IssueOptions): Extension[] {
  const { profile, deviation = {} } = options;
  const nocheck = profile === 'ocsp-responder' ? [new Extension(OCSP_NOCHECK, false, DER_NULL)] : [];
  return [...usages(profile, deviation), ...names(options), ...qualification(options, deviation), ...nocheck];
}

/** Where to ask about a certificate. A responder has no pointers: it carries id-pkix-ocsp-nocheck instead. */
export function pointerExtensions(pointers: Pointers, profile?: Profile): Extension[] {
  const { ocspUrl, crlUrl, certificateUrl } = pointers;
  if (profile === 'ocsp-responder') return [];
  const access = {
    ...(ocspUrl === undefined ? {} : { ocsp: ocspUrl }),
    ...(certificateUrl === undefined ? {} : { caIssuers: certificateUrl }),
  };
  return [
    ...(Object.keys(access).length === 0 ? [] : [new AuthorityInfoAccessExtension(access)]),
    ...(crlUrl === undefined ? [] : [new CRLDistributionPointsExtension([crlUrl])]),
  ];
}

function usages(profile: Profile, deviation: Deviation): Extension[] {
  const bits: readonly (keyof typeof KeyUsageFlags)[] =
    deviation.keyUsage ??
    (profile === 'qsealc' ? ['digitalSignature', 'nonRepudiation'] : ['digitalSignature']);
  const extended =
    deviation.extendedKeyUsage ??
    {
      qwac: [SERVER_AUTH, CLIENT_AUTH],
      qsealc: [DOCUMENT_SIGNING],
      server: [SERVER_AUTH],
      'ocsp-responder': [OCSP_SIGNING],
    }[profile];
  return [
    ...(bits.length === 0 ? [] : [keyUsageExtension(bits, true)]),
    ...(extended.length === 0 ? [] : [new ExtendedKeyUsageExtension([...extended])]),
  ];
}

/** keyUsage with these bits. */
export function keyUsageExtension(
  bits: readonly (keyof typeof KeyUsageFlags)[],
  critical: boolean,
): Extension {
  return new KeyUsagesExtension(
    bits.reduce((flags, bit) => flags | KeyUsageFlags[bit], 0),
    critical,
  );
}

function names(options: IssueOptions): Extension[] {
  const local = options.profile === 'server';
  const entries: JsonGeneralName[] = [
    ...new Set([...(local ? ['localhost'] : []), ...(options.dnsNames ?? [])]),
  ].map((value) => ({ type: 'dns', value }));
  const addresses = new Set([...(local ? ['127.0.0.1'] : []), ...(options.ipAddresses ?? [])]);
  entries.push(...[...addresses].map((value): JsonGeneralName => ({ type: 'ip', value })));
  return entries.length === 0 ? [] : [new SubjectAlternativeNameExtension(entries)];
}

function qualification(options: IssueOptions, deviation: Deviation): Extension[] {
  const omitted = (what: string) => deviation.omit?.some((name) => name === what) === true;
  if (options.profile === 'server' || options.profile === 'ocsp-responder') return [];
  const policies = new CertificatePolicyExtension([...POLICIES[options.profile]]);
  if (omitted('qcStatements')) return [policies];
  const nca = deviation.statementNca ?? options.nca;
  const roles =
    deviation.roleEntries ?? (options.roles ?? []).map((name) => ({ oid: ROLE_OIDS[name], name }));
  const value =
    deviation.qcStatements ??
    encodeQcStatements({
      compliance: !omitted('qcCompliance'),
      type: omitted('qcType')
        ? undefined
        : (deviation.qcType ?? (options.profile === 'qwac' ? 'web' : 'eseal')),
      ...(omitted('qcPds') ? {} : { disclosureUrl: 'https://pki.example/pds-en.pdf' }),
      psd2: omitted('psd2') || nca === undefined ? undefined : { roles, nca },
      ...(deviation.qcFault === undefined ? {} : { fault: deviation.qcFault }),
    });
  return [policies, new Extension(QC_STATEMENTS, deviation.qcStatementsCritical === true, value)];
}
