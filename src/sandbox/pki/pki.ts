import 'reflect-metadata';
import { BasicConstraintsExtension } from '@peculiar/x509';
import { keyUsageExtension, pointerExtensions, subjectExtensions } from './certificate-extensions.ts';
import { certify, type IssuedCertificate, nameOf } from './certify.ts';
import type { IssueOptions, Pointers, Validity } from './issue-options.ts';
import { type KeyType, keyOf } from './keys.ts';

export type { IssuedCertificate } from './certify.ts';
export type { IssueOptions } from './issue-options.ts';

export interface Authority extends IssuedCertificate {
  readonly publishes: Pointers;
  issue(options: IssueOptions): Promise<IssuedCertificate>;
}

export interface AuthorityOptions extends Validity {
  /** Common name; the same name under another key makes the "wrong CA with the same name". */
  readonly name: string;
  readonly organization?: string;
  readonly country?: string;
  /** Default `ec-p256`. */
  readonly keyType?: KeyType;
  /** Absent: a self-signed root. */
  readonly parent?: Authority;
  /** Default: nowhere. */
  readonly publishes?: Pointers;
}

const ORGANIZATION_IDENTIFIER = '2.5.4.97';
const USER_ID = '0.9.2342.19200300.100.1.1';

/** Makes a certification authority: a root, or an issuing CA under `parent`. */
export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  const { name, organization, country, keyType = 'ec-p256', parent, publishes } = options;
  // A root allows paths of any length, an issuing CA end entities only.
  const pathLength = parent === undefined ? undefined : 0;
  const own = await certify({
    key: await keyOf(keyType),
    issuer: parent,
    subject: nameOf([
      ['C', country],
      ['O', organization],
      ['CN', name],
    ]),
    validity: options,
    extensions: [
      new BasicConstraintsExtension(true, pathLength, true),
      keyUsageExtension(['keyCertSign', 'cRLSign']),
      ...pointerExtensions(parent?.publishes ?? {}),
    ],
  });
  return authorityOf(own, publishes);
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
  const { profile, subject, nca, authorizationNumber, deviation = {} } = options;
  const { keyType = 'ec-p256', privateKeyPem } = options;
  const hasIdentifier = nca !== undefined && authorizationNumber !== undefined;
  const identifiers =
    deviation.organizationIdentifiers ?? (hasIdentifier ? [`PSD${nca.id}-${authorizationNumber}`] : []);
  return certify({
    key: await keyOf(keyType, privateKeyPem),
    issuer: authority,
    subject: nameOf([
      ['C', subject.country ?? nca?.id.slice(0, 2)],
      ['O', subject.organization],
      ['OU', subject.unit],
      [USER_ID, subject.userId],
      ...identifiers.map((value) => [ORGANIZATION_IDENTIFIER, value] as const),
      ['CN', subject.commonName],
    ]),
    validity: options,
    extensions: [
      ...subjectExtensions(options),
      ...pointerExtensions(deviation.pointers ?? authority.publishes, profile),
    ],
    deviation,
  });
}
