import {
  contextTag,
  DerError,
  type DerReader,
  decodeCount,
  decodeInteger,
  decodeNamedBits,
  readAll,
  TAG,
} from '../der/der.ts';
import type { Extension } from './extension.ts';
import { type CrlDistributionPoint, readDistributionPoints } from './distribution-point.ts';
import { type GeneralName, readGeneralName, readGeneralNames, subjectNameProblem } from './general-name.ts';

/** Object identifiers of the extensions that are read here. */
export const EXTENSION = Object.freeze({
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  freshestCrl: '2.5.29.46',
  inhibitAnyPolicy: '2.5.29.54',
  qcStatements: '1.3.6.1.5.5.7.1.3',
  authorityInformationAccess: '1.3.6.1.5.5.7.1.1',
  subjectInformationAccess: '1.3.6.1.5.5.7.1.11',
});

export const ANY_EXTENDED_KEY_USAGE = '2.5.29.37.0';

const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;

export type KeyUsage = (typeof KEY_USAGES)[number];

export interface BasicConstraints {
  readonly isCa: boolean;
  readonly pathLength?: number;
}

export interface AuthorityKeyIdentifier {
  readonly keyIdentifier?: Buffer;
  readonly issuer?: readonly GeneralName[];
  /** Lower-case hexadecimal octets. */
  readonly serialNumber?: string;
}

export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

export interface PolicyConstraints {
  readonly requireExplicitPolicy?: number;
  readonly inhibitPolicyMapping?: number;
}

export interface AccessDescription {
  readonly method: string;
  readonly location: GeneralName;
}

/** The values of the known extensions; an absent extension leaves its field out, or empty where it is a list. */
export interface KnownExtensions {
  readonly basicConstraints?: BasicConstraints;
  readonly keyUsage?: ReadonlySet<KeyUsage>;
  readonly extendedKeyUsage?: readonly string[];
  readonly subjectAlternativeNames: readonly GeneralName[];
  readonly subjectKeyIdentifier?: Buffer;
  readonly authorityKeyIdentifier?: AuthorityKeyIdentifier;
  readonly nameConstraints?: NameConstraints;
  readonly certificatePolicies?: readonly string[];
  /** A qualifier of a policy that is neither of the two that RFC 5280 §4.2.1.4 knows. */
  readonly hasUnknownPolicyQualifier?: boolean;
  readonly policyMappings?: readonly { readonly issuer: string; readonly subject: string }[];
  readonly policyConstraints?: PolicyConstraints;
  readonly inhibitAnyPolicy?: number;
  readonly authorityInformationAccess: readonly AccessDescription[];
  readonly crlDistributionPoints: readonly CrlDistributionPoint[];
  /** The places of delta lists (RFC 5280 §4.2.1.15). */
  readonly freshestCrl: readonly CrlDistributionPoint[];
}

type Reader = (reader: DerReader) => Partial<KnownExtensions>;

const READERS: Readonly<Record<string, Reader>> = {
  [EXTENSION.basicConstraints]: (reader) => ({ basicConstraints: readBasicConstraints(reader) }),
  [EXTENSION.keyUsage]: (reader) => ({ keyUsage: readKeyUsage(reader) }),
  // An empty list is accepted: the path refuses it, with its own reason.
  [EXTENSION.extendedKeyUsage]: (reader) => ({ extendedKeyUsage: readOids(reader, 0) }),
  [EXTENSION.subjectAlternativeName]: (reader) => ({ subjectAlternativeNames: readSubjectNames(reader) }),
  [EXTENSION.subjectKeyIdentifier]: (reader) => ({ subjectKeyIdentifier: reader.content(TAG.octetString) }),
  [EXTENSION.authorityKeyIdentifier]: (reader) => ({ authorityKeyIdentifier: readAuthorityKey(reader) }),
  [EXTENSION.nameConstraints]: (reader) => ({ nameConstraints: readNameConstraints(reader) }),
  [EXTENSION.certificatePolicies]: readPolicies,
  [EXTENSION.policyMappings]: (reader) => ({ policyMappings: readMappings(reader) }),
  [EXTENSION.policyConstraints]: (reader) => ({ policyConstraints: readPolicyConstraints(reader) }),
  [EXTENSION.inhibitAnyPolicy]: (reader) => ({ inhibitAnyPolicy: decodeCount(reader.content(TAG.integer)) }),
  [EXTENSION.authorityInformationAccess]: (reader) => ({ authorityInformationAccess: readAccess(reader) }),
  [EXTENSION.crlDistributionPoints]: (reader) => ({ crlDistributionPoints: readDistributionPoints(reader) }),
  [EXTENSION.freshestCrl]: (reader) => ({ freshestCrl: readDistributionPoints(reader) }),
};

/**
 * Reads every known extension in full; the others are left to the caller.
 *
 * @throws DerError
 * @see RFC 5280 §4.2
 */
export function readKnownExtensions(extensions: ReadonlyMap<string, Extension>): KnownExtensions {
  const known = {
    subjectAlternativeNames: [],
    authorityInformationAccess: [],
    crlDistributionPoints: [],
    freshestCrl: [],
  };
  for (const [oid, { value }] of extensions) {
    const read = READERS[oid];
    if (read !== undefined) Object.assign(known, readAll(value, read));
  }
  return known;
}

/** BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER (0..MAX) OPTIONAL } */
function readBasicConstraints(reader: DerReader): BasicConstraints {
  return reader.within(TAG.sequence, (fields) => {
    const isCa = fields.flag();
    const maximum = fields.optional(TAG.integer);
    return { isCa, ...(maximum === undefined ? {} : { pathLength: decodeCount(maximum.content) }) };
  });
}

function readKeyUsage(reader: DerReader): ReadonlySet<KeyUsage> {
  const bits = decodeNamedBits(reader.content(TAG.bitString));
  if (bits.length === 0) throw new DerError('keyUsage has no bit set');
  return new Set(
    bits.map((bit) => {
      const usage = KEY_USAGES[bit];
      if (usage === undefined) throw new DerError('keyUsage has an unknown bit');
      return usage;
    }),
  );
}

function readOids(reader: DerReader, minimum: number): string[] {
  return reader.within(TAG.sequence, (oids) => oids.all((oid) => oid.oid(), minimum));
}

function readSubjectNames(reader: DerReader): GeneralName[] {
  const names = readGeneralNames(reader, TAG.sequence);
  for (const name of names) {
    const problem = subjectNameProblem(name);
    if (problem !== undefined) throw new DerError(problem);
  }
  return names;
}

/**
 *     AuthorityKeyIdentifier ::= SEQUENCE { keyIdentifier [0] OCTET STRING OPTIONAL,
 *       authorityCertIssuer [1] GeneralNames OPTIONAL, authorityCertSerialNumber [2] INTEGER OPTIONAL }
 */
function readAuthorityKey(reader: DerReader): AuthorityKeyIdentifier {
  return reader.within(TAG.sequence, (fields) => {
    const keyIdentifier = fields.optional(contextTag(0, 'primitive'))?.content;
    const tag = contextTag(1, 'constructed');
    const issuer = fields.nextTag === tag ? readGeneralNames(fields, tag) : undefined;
    const serial = fields.optional(contextTag(2, 'primitive'))?.content;
    if ((issuer === undefined) !== (serial === undefined)) {
      throw new DerError('authorityCertIssuer and authorityCertSerialNumber go together');
    }
    return {
      ...(keyIdentifier === undefined ? {} : { keyIdentifier }),
      ...(issuer === undefined ? {} : { issuer }),
      ...(serial === undefined ? {} : { serialNumber: decodeInteger(serial).toString('hex') }),
    };
  });
}

/**
 *     NameConstraints ::= SEQUENCE { permittedSubtrees [0] GeneralSubtrees OPTIONAL,
 *       excludedSubtrees [1] GeneralSubtrees OPTIONAL }
 *     GeneralSubtree ::= SEQUENCE { base GeneralName, minimum [0] DEFAULT 0, maximum [1] OPTIONAL }
 *
 * Neither minimum nor maximum may be written (RFC 5280 §4.2.1.10).
 */
function readNameConstraints(reader: DerReader): NameConstraints {
  const readSubtrees = (subtrees: DerReader): GeneralName[] =>
    subtrees.all((subtree) => subtree.within(TAG.sequence, readGeneralName));
  return reader.within(TAG.sequence, (fields) => {
    const permitted = fields.optionalWithin(contextTag(0, 'constructed'), readSubtrees);
    const excluded = fields.optionalWithin(contextTag(1, 'constructed'), readSubtrees);
    if (permitted === undefined && excluded === undefined) throw new DerError('nameConstraints is empty');
    return { permitted: permitted ?? [], excluded: excluded ?? [] };
  });
}

/** id-qt-cps and id-qt-unotice. */
const POLICY_QUALIFIERS: readonly string[] = ['1.3.6.1.5.5.7.2.1', '1.3.6.1.5.5.7.2.2'];

/** SEQUENCE OF SEQUENCE { policyIdentifier, policyQualifiers SEQUENCE OF { OID, ANY } OPTIONAL }, no policy twice. */
function readPolicies(reader: DerReader): Partial<KnownExtensions> {
  const policies = reader.within(TAG.sequence, (list) =>
    list.all((policy) =>
      policy.within(TAG.sequence, (fields) => ({
        oid: fields.oid(),
        qualifiers: fields.optionalWithin(TAG.sequence, (list) => list.all(readQualifier)) ?? [],
      })),
    ),
  );
  const oids = policies.map(({ oid }) => oid);
  if (new Set(oids).size !== oids.length) throw new DerError('certificatePolicies names a policy twice');
  const qualifiers = policies.flatMap((policy) => policy.qualifiers);
  return {
    certificatePolicies: oids,
    hasUnknownPolicyQualifier: qualifiers.some((oid) => !POLICY_QUALIFIERS.includes(oid)),
  };
}

function readQualifier(reader: DerReader): string {
  return reader.within(TAG.sequence, (pair) => {
    const oid = pair.oid();
    pair.any();
    return oid;
  });
}

function readMappings(reader: DerReader): { issuer: string; subject: string }[] {
  return reader.within(TAG.sequence, (list) =>
    list.all((mapping) =>
      mapping.within(TAG.sequence, (pair) => ({ issuer: pair.oid(), subject: pair.oid() })),
    ),
  );
}

function readPolicyConstraints(reader: DerReader): PolicyConstraints {
  return reader.within(TAG.sequence, (fields) => {
    const explicit = fields.optional(contextTag(0, 'primitive'));
    const mapping = fields.optional(contextTag(1, 'primitive'));
    if (explicit === undefined && mapping === undefined) throw new DerError('policyConstraints is empty');
    return {
      ...(explicit === undefined ? {} : { requireExplicitPolicy: decodeCount(explicit.content) }),
      ...(mapping === undefined ? {} : { inhibitPolicyMapping: decodeCount(mapping.content) }),
    };
  });
}

function readAccess(reader: DerReader): AccessDescription[] {
  return reader.within(TAG.sequence, (list) =>
    list.all((description) =>
      description.within(TAG.sequence, (pair) => ({ method: pair.oid(), location: readGeneralName(pair) })),
    ),
  );
}
