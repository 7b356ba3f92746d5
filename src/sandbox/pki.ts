import 'reflect-metadata';
import { createPrivateKey, type KeyObject, randomBytes } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  CertificatePolicyExtension,
  Extension,
  ExtendedKeyUsageExtension,
  type JsonAttributeAndObjectValue,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { PspRole } from '../../tpp-registry/record.ts';
import { ROLE_OIDS } from '../tpp/psp-role.ts';
import { algorithmOf, bufferOf, cryptoKeyOf, type KeyType, keyOf, spkiOf } from './keys.ts';
import { encodeQcStatements, type QcStatementsFault, type QcType, type RoleEntry } from './qc-statements.ts';

/** A certificate and its key, as text for files and as bytes for checks. */
export interface IssuedCertificate {
  readonly certificatePem: string;
  /** PKCS#8. */
  readonly privateKeyPem: string;
  readonly der: Uint8Array;
  /** The certificate and the authorities above it, without the self-signed root. */
  readonly chainPem: string;
}

export interface Authority extends IssuedCertificate {
  issue(options: IssueOptions): Promise<IssuedCertificate>;
}

interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface AuthorityOptions extends Validity {
  /** Common name; the same name under another key makes the "wrong CA with the same name". */
  readonly name: string;
  readonly organization?: string;
  readonly country?: string;
  /** Absent: a self-signed root. */
  readonly parent?: Authority;
  /** Default `ec-p256`. */
  readonly keyType?: KeyType;
  readonly privateKeyPem?: string;
  /** Default: none for a root, 0 for an issuing CA. */
  readonly pathLength?: number;
}

export type Profile = 'qwac' | 'qsealc' | 'server';

export interface IssueOptions extends Validity {
  readonly profile: Profile;
  readonly subject: {
    readonly commonName: string;
    readonly organization?: string;
    /** Default: the first two letters of the NCA id; none without an NCA. */
    readonly country?: string;
  };
  /** The PSP's authorization number, without the `PSD…-…-` prefix. */
  readonly authorizationNumber?: string;
  readonly nca?: { readonly id: string; readonly name: string };
  readonly roles?: readonly PspRole[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  /** Default `ec-p256`; `rsa-2048` for the server profile. */
  readonly keyType?: KeyType;
  /** Certifies this key instead of a new one: a reissue. */
  readonly privateKeyPem?: string;
  /** What is to be wrong, for tests and for the sandbox's broken set. */
  readonly deviation?: Deviation;
}

export interface Deviation {
  readonly omit?: readonly (
    | 'qcStatements'
    | 'psd2'
    | 'qcCompliance'
    | 'qcType'
    | 'qcPds'
    | 'keyIdentifiers'
  )[];
  /** The organizationIdentifier attributes of the subject, none for `[]`. */
  readonly organizationIdentifiers?: readonly string[];
  /** RolesOfPSP as it stands: wrong object identifiers, swapped names, `Unspecified`. */
  readonly roleEntries?: readonly RoleEntry[];
  /** The NCA of the PSD2 statement, where it shall not be the one of the organizationIdentifier. */
  readonly statementNca?: { readonly id: string; readonly name: string };
  readonly qcType?: QcType;
  readonly qcFault?: QcStatementsFault;
  /** The whole value of the qcStatements extension, in DER. */
  readonly qcStatements?: Uint8Array;
  readonly qcStatementsCritical?: boolean;
  readonly keyUsage?: readonly (keyof typeof KeyUsageFlags)[];
  /** Extended key usage object identifiers; `[]` leaves the extension out. */
  readonly extendedKeyUsage?: readonly string[];
  readonly signatureHash?: 'SHA-1' | 'SHA-256' | 'SHA-384';
  readonly extensions?: readonly {
    readonly oid: string;
    readonly critical: boolean;
    readonly value: Uint8Array;
  }[];
}

const ORGANIZATION_IDENTIFIER = '2.5.4.97';
const QC_STATEMENTS = '1.3.6.1.5.5.7.1.3';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
/** Microsoft document signing, as UK OBSeal certificates carry it. */
const DOCUMENT_SIGNING = '1.3.6.1.4.1.311.10.3.12';
/** QEVCP-w (EN 319 411-2) and qcp-web-psd2 (TS 119 495); QCP-l for seals. */
const POLICIES: Readonly<Record<Profile, readonly string[]>> = {
  qwac: ['0.4.0.194112.1.4', '0.4.0.19495.3.1'],
  qsealc: ['0.4.0.194112.1.1'],
  server: [],
};

/** Makes a certification authority: a root, or an issuing CA under `parent`. */
export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  const key = await keyOf(options.keyType ?? 'ec-p256', options.privateKeyPem);
  const parent = options.parent === undefined ? undefined : signerOf(options.parent);
  const pathLength = options.pathLength ?? (parent === undefined ? undefined : 0);
  const certificate = await certify({
    key,
    issuer: parent,
    subject: nameOf([
      ['C', options.country],
      ['O', options.organization],
      ['CN', options.name],
    ]),
    validity: options,
    extensions: [
      new BasicConstraintsExtension(true, pathLength, true),
      keyUsage(['keyCertSign', 'cRLSign'], true),
    ],
  });
  return authorityOf(certificate, key, options.parent);
}

function authorityOf(certificate: X509Certificate, key: KeyObject, parent?: Authority): Authority {
  const own = issuedOf(certificate, key, parent?.chainPem ?? '');
  const authority: Authority = Object.freeze({
    ...own,
    chainPem: certificate.subject === certificate.issuer ? '' : own.chainPem,
    issue: (options: IssueOptions) => issue(authority, options),
  });
  return authority;
}

async function issue(authority: Authority, options: IssueOptions): Promise<IssuedCertificate> {
  const { profile, nca, deviation = {} } = options;
  const key = await keyOf(
    options.keyType ?? (profile === 'server' ? 'rsa-2048' : 'ec-p256'),
    options.privateKeyPem,
  );
  const identifiers = deviation.organizationIdentifiers ?? defaultIdentifiers(options);
  const certificate = await certify({
    key,
    issuer: signerOf(authority),
    subject: nameOf([
      ['C', options.subject.country ?? nca?.id.slice(0, 2)],
      ['O', options.subject.organization],
      ...identifiers.map((value) => [ORGANIZATION_IDENTIFIER, value] as const),
      ['CN', options.subject.commonName],
    ]),
    validity: options,
    extensions: [...usages(profile, deviation), ...names(options), ...qualification(options, deviation)],
    deviation,
  });
  return issuedOf(certificate, key, authority.chainPem);
}

function defaultIdentifiers({ nca, authorizationNumber }: IssueOptions): readonly string[] {
  return nca === undefined || authorizationNumber === undefined
    ? []
    : [`PSD${nca.id}-${authorizationNumber}`];
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
    }[profile];
  return [
    ...(bits.length === 0 ? [] : [keyUsage(bits, true)]),
    ...(extended.length === 0 ? [] : [new ExtendedKeyUsageExtension([...extended])]),
  ];
}

function keyUsage(bits: readonly (keyof typeof KeyUsageFlags)[], critical: boolean): Extension {
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
  if (options.profile === 'server') return [];
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

interface Signer {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

interface Certification {
  readonly key: KeyObject;
  /** Absent: self-signed. */
  readonly issuer: Signer | undefined;
  readonly subject: Name;
  readonly validity: Validity;
  readonly extensions: readonly Extension[];
  readonly deviation?: Deviation;
}

async function certify(options: Certification): Promise<X509Certificate> {
  const { key, issuer, deviation = {} } = options;
  const signingKey = issuer?.key ?? key;
  const hash = deviation.signatureHash ?? 'SHA-256';
  const identifiers = deviation.omit?.includes('keyIdentifiers')
    ? []
    : [
        await SubjectKeyIdentifierExtension.create(spkiOf(key)),
        ...(issuer === undefined ? [] : [await AuthorityKeyIdentifierExtension.create(spkiOf(issuer.key))]),
      ];
  const extra = deviation.extensions ?? [];
  return X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: options.subject,
    issuer: issuer?.certificate.subjectName ?? options.subject,
    notBefore: options.validity.notBefore,
    notAfter: options.validity.notAfter,
    publicKey: spkiOf(key),
    signingKey: cryptoKeyOf(signingKey, hash),
    signingAlgorithm: { name: algorithmOf(signingKey, hash).name, hash },
    extensions: [
      ...options.extensions,
      ...identifiers,
      ...extra.map(({ oid, critical, value }) => new Extension(oid, critical, bufferOf(value))),
    ],
  });
}

/** 16 random octets, positive and without leading zeros (RFC 5280 §4.1.2.2: at most 20). */
function randomSerial(): string {
  const octets = randomBytes(16);
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40;
  return octets.toString('hex');
}

/** Values are typed: plain strings are parsed as RFC 4514 text and come out mutilated. */
function nameOf(attributes: readonly (readonly [type: string, value: string | undefined])[]): Name {
  const present: JsonAttributeAndObjectValue[] = attributes.flatMap(([type, value]) => {
    if (value === undefined) return [];
    return [{ [type]: [type === 'C' ? { printableString: value } : { utf8String: value }] }];
  });
  return new Name(present);
}

function signerOf(authority: Authority): Signer {
  return {
    certificate: new X509Certificate(authority.certificatePem),
    key: createPrivateKey(authority.privateKeyPem),
  };
}

function issuedOf(certificate: X509Certificate, key: KeyObject, above: string): IssuedCertificate {
  const certificatePem = `${certificate.toString('pem')}\n`;
  return Object.freeze({
    certificatePem,
    privateKeyPem: key.export({ type: 'pkcs8', format: 'pem' }),
    der: new Uint8Array(certificate.rawData),
    chainPem: certificatePem + above,
  });
}
