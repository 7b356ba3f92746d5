import 'reflect-metadata';
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { BasicConstraintsExtension, X509Certificate } from '@peculiar/x509';
import { keyUsageExtension, pointerExtensions, subjectExtensions } from './certificate-extensions.ts';
import { certify, nameOf, type Signer } from './certify.ts';
import type { IssueOptions, Pointers, Validity } from './issue-options.ts';
import { keyOf } from './keys.ts';

export type { IssueOptions } from './issue-options.ts';

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
  readonly publishes: Pointers;
  issue(options: IssueOptions): Promise<IssuedCertificate>;
}

export interface AuthorityOptions extends Validity {
  /** Common name; the same name under another key makes the "wrong CA with the same name". */
  readonly name: string;
  readonly organization?: string;
  readonly country?: string;
  /** Absent: a self-signed root. */
  readonly parent?: Authority;
  /** Default: nowhere. */
  readonly publishes?: Pointers;
}

const ORGANIZATION_IDENTIFIER = '2.5.4.97';

/** Makes a certification authority: a root, or an issuing CA under `parent`. */
export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  const key = await keyOf('ec-p256');
  const parent = options.parent === undefined ? undefined : signerOf(options.parent);
  // A root allows paths of any length, an issuing CA end entities only.
  const pathLength = parent === undefined ? undefined : 0;
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
      keyUsageExtension(['keyCertSign', 'cRLSign']),
      ...pointerExtensions(options.parent?.publishes ?? {}),
    ],
  });
  const issued = issuedOf(certificate, key, options.parent?.chainPem ?? '');
  const own = options.parent === undefined ? { ...issued, chainPem: '' } : issued;
  return authorityOf(own, options.publishes);
}

/** Lets the holder of any certificate issue others: a leaf that acts as an authority is one. */
export function authorityOf(own: IssuedCertificate, publishes: Pointers = {}): Authority {
  const authority: Authority = Object.freeze({
    ...own,
    publishes,
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
    extensions: [
      ...subjectExtensions(options),
      ...pointerExtensions(deviation.pointers ?? authority.publishes, profile),
    ],
    deviation,
  });
  return issuedOf(certificate, key, authority.chainPem);
}

function defaultIdentifiers({ nca, authorizationNumber }: IssueOptions): readonly string[] {
  return nca === undefined || authorizationNumber === undefined
    ? []
    : [`PSD${nca.id}-${authorizationNumber}`];
}

function signerOf(authority: Authority): Signer {
  return {
    certificate: new X509Certificate(authority.certificatePem),
    key: createPrivateKey(authority.privateKeyPem),
  };
}

function issuedOf(der: Buffer, key: KeyObject, above: string): IssuedCertificate {
  const lines = der.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  const certificatePem = `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
  return Object.freeze({
    certificatePem,
    privateKeyPem: key.export({ type: 'pkcs8', format: 'pem' }),
    der: new Uint8Array(der),
    chainPem: certificatePem + above,
  });
}
