import { isIP } from 'node:net';
import {
  AuthorityInfoAccessExtension,
  CertificatePolicyExtension,
  CRLDistributionPointsExtension,
  Extension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509';
import {
  type IssueOptions,
  type KeyUsage,
  type Pointers,
  type Profile,
  CLIENT_AUTH,
  SERVER_AUTH,
} from './issue-options.ts';
import { bufferOf } from './keys.ts';
import { encodeQcStatements } from './qc-statements.ts';

const QC_STATEMENTS = '1.3.6.1.5.5.7.1.3';
const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';
/** RFC 6960 §4.2.2.2.1. */
const OCSP_NOCHECK = '1.3.6.1.5.5.7.48.1.5';
const DER_NULL = new Uint8Array([5, 0]).buffer;
/** Microsoft document signing, as UK OBSeal certificates carry it. */
const DOCUMENT_SIGNING = '1.3.6.1.4.1.311.10.3.12';
/** QEVCP-w (EN 319 411-2) and qcp-web-psd2 (TS 119 495); QCP-l for seals. */
const POLICIES = { qwac: ['0.4.0.194112.1.4', '0.4.0.19495.3.1'], qsealc: ['0.4.0.194112.1.1'] };
const EXTENDED_KEY_USAGES: Readonly<Record<Profile, readonly string[]>> = {
  qwac: [SERVER_AUTH, CLIENT_AUTH],
  qsealc: [DOCUMENT_SIGNING],
  server: [SERVER_AUTH],
  'ocsp-responder': [OCSP_SIGNING],
};

/** The extensions of a profile about the holder and the use of a certificate. */
export function subjectExtensions(options: IssueOptions): Extension[] {
  const { profile, dnsNames = [], hosts = [], deviation = {} } = options;
  const usages: readonly KeyUsage[] =
    profile === 'qsealc' ? ['digitalSignature', 'nonRepudiation'] : ['digitalSignature'];
  const { keyUsage = usages, extendedKeyUsage = EXTENDED_KEY_USAGES[profile] } = deviation;
  const names = [
    ...(profile === 'server' ? [{ type: 'dns', value: 'localhost' } as const] : []),
    ...dnsNames.map((value) => ({ type: 'dns', value }) as const),
    ...(profile === 'server' ? [{ type: 'ip', value: '127.0.0.1' } as const] : []),
    ...hosts.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }) as const),
  ];
  return [
    ...(keyUsage.length === 0 ? [] : [keyUsageExtension(keyUsage)]),
    ...(extendedKeyUsage.length === 0 ? [] : [new ExtendedKeyUsageExtension([...extendedKeyUsage])]),
    ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
    ...qualification(options),
    ...(profile === 'ocsp-responder' ? [new Extension(OCSP_NOCHECK, false, DER_NULL)] : []),
  ];
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

/** keyUsage with these bits, critical. */
export function keyUsageExtension(bits: readonly KeyUsage[]): Extension {
  return new KeyUsagesExtension(
    bits.reduce((flags, bit) => flags | KeyUsageFlags[bit], 0),
    true,
  );
}

function qualification(options: IssueOptions): Extension[] {
  const { profile, deviation = {} } = options;
  if (profile === 'server' || profile === 'ocsp-responder') return [];
  const policies = new CertificatePolicyExtension(POLICIES[profile]);
  if (deviation.omit?.includes('qcStatements')) return [policies];
  const value = deviation.qcStatements ?? encodeQcStatements(options);
  return [policies, new Extension(QC_STATEMENTS, deviation.qcStatementsCritical === true, bufferOf(value))];
}
