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
import { type DocumentKind, isTolerated } from '../der/tolerances.ts';
import { type CrlDistributionPoint, readDistributionPoints } from './distribution-point.ts';
import { type GeneralName, readGeneralName, readGeneralNames, subjectNameProblem } from './general-name.ts';

/** An extension as encoded: `value` is the content of extnValue. */
export interface Extension {
  readonly critical: boolean;
  readonly value: Buffer;
}

/**
 * Reads Extensions, of a certificate, a CRL or an OCSP answer; none may occur twice.
 *
 *     Extensions ::= SEQUENCE SIZE (1..MAX) OF SEQUENCE { extnID OBJECT IDENTIFIER,
 *       critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }
 *
 * @throws DerError
 * @see RFC 5280 §4.1
 */
export function readExtensions(
  reader: DerReader,
  kind: DocumentKind = 'certificate',
): ReadonlyMap<string, Extension> {
  const readOne = (fields: DerReader) => ({
    oid: fields.oid(),
    critical: fields.flag(TAG.boolean, kind),
    value: fields.content(TAG.octetString),
  });
  const list = reader.sequences(readOne, isTolerated('empty-extensions', kind) ? 0 : 1);
  const extensions = new Map<string, Extension>();
  for (const { oid, critical, value } of list) {
    if (extensions.has(oid)) throw new DerError(`extension ${oid} occurs twice`);
    extensions.set(oid, Object.freeze({ critical, value }));
  }
  return extensions;
}

/** The first critical extension that is not understood, dotted. */
export function findUnknownCritical(
  extensions: ReadonlyMap<string, Extension>,
  understood: readonly string[],
): string | undefined {
  for (const [oid, { critical }] of extensions) if (critical && !understood.includes(oid)) return oid;
  return undefined;
}

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

export interface AuthorityKeyIdentifier {
  readonly keyIdentifier: Buffer | undefined;
  readonly issuer: readonly GeneralName[] | undefined;
  /** Lower-case hexadecimal octets. */
  readonly serialNumber: string | undefined;
}

export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

/** The values of the known extensions; an absent extension leaves its field out, or empty where it is a list. */
export interface KnownExtensions {
  readonly basicConstraints?: { readonly isCa: boolean; readonly pathLength: number | undefined };
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
  readonly policyConstraints?: {
    readonly requireExplicitPolicy?: number | undefined;
    readonly inhibitPolicyMapping?: number | undefined;
  };
  readonly inhibitAnyPolicy?: number;
  readonly authorityInformationAccess: readonly { readonly method: string; readonly location: GeneralName }[];
  readonly crlDistributionPoints: readonly CrlDistributionPoint[];
  /** The places of delta lists (RFC 5280 §4.2.1.15). */
  readonly freshestCrl: readonly CrlDistributionPoint[];
}

type Reader = (reader: DerReader, kind: DocumentKind) => Partial<KnownExtensions>;

const READERS: Readonly<Record<string, Reader>> = {
  [EXTENSION.basicConstraints]: (reader, kind) => ({ basicConstraints: readBasicConstraints(reader, kind) }),
  [EXTENSION.keyUsage]: (reader) => ({ keyUsage: readKeyUsage(reader) }),
  // An empty list is accepted: the path refuses it, with its own reason.
  [EXTENSION.extendedKeyUsage]: (reader) => ({ extendedKeyUsage: readOids(reader, 0) }),
  [EXTENSION.subjectAlternativeName]: (reader) => ({ subjectAlternativeNames: readSubjectNames(reader) }),
  [EXTENSION.subjectKeyIdentifier]: (reader) => ({ subjectKeyIdentifier: reader.content(TAG.octetString) }),
  [EXTENSION.authorityKeyIdentifier]: (reader) => ({ authorityKeyIdentifier: readAuthorityKey(reader) }),
  [EXTENSION.nameConstraints]: (reader) => ({ nameConstraints: readNameConstraints(reader) }),
  [EXTENSION.certificatePolicies]: readPolicies,
  [EXTENSION.policyMappings]: (reader) => ({
    policyMappings: reader.sequences((pair) => ({ issuer: pair.oid(), subject: pair.oid() })),
  }),
  [EXTENSION.policyConstraints]: (reader) => ({ policyConstraints: readPolicyConstraints(reader) }),
  [EXTENSION.inhibitAnyPolicy]: (reader) => ({ inhibitAnyPolicy: decodeCount(reader.content(TAG.integer)) }),
  [EXTENSION.authorityInformationAccess]: (reader) => ({
    authorityInformationAccess: reader.sequences((pair) => ({
      method: pair.oid(),
      location: readGeneralName(pair),
    })),
  }),
  [EXTENSION.crlDistributionPoints]: (reader) => ({ crlDistributionPoints: readDistributionPoints(reader) }),
  [EXTENSION.freshestCrl]: (reader) => ({ freshestCrl: readDistributionPoints(reader) }),
};

/** The extensions of an anchor that a path uses: constraints, and the key identifier, which is a hint. */
const READ_IN_ANCHORS: readonly string[] = [
  EXTENSION.basicConstraints,
  EXTENSION.keyUsage,
  EXTENSION.extendedKeyUsage,
  EXTENSION.subjectKeyIdentifier,
  EXTENSION.nameConstraints,
  EXTENSION.certificatePolicies,
  EXTENSION.policyConstraints,
  EXTENSION.inhibitAnyPolicy,
];

/**
 * Reads every known extension in full, of an anchor only its constraints; the others are left to the caller.
 *
 * @throws DerError
 * @see RFC 5280 §4.2
 */
export function readKnownExtensions(
  extensions: ReadonlyMap<string, Extension>,
  kind: DocumentKind = 'certificate',
): KnownExtensions {
  const known = {
    subjectAlternativeNames: [],
    authorityInformationAccess: [],
    crlDistributionPoints: [],
    freshestCrl: [],
  };
  for (const [oid, { value }] of extensions) {
    const isRead = !isTolerated('unread-extensions', kind) || READ_IN_ANCHORS.includes(oid);
    const read = isRead ? READERS[oid] : undefined;
    if (read !== undefined)
      Object.assign(
        known,
        readAll(value, (reader) => read(reader, kind)),
      );
  }
  return known;
}

/** BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER (0..MAX) OPTIONAL } */
function readBasicConstraints(reader: DerReader, kind: DocumentKind) {
  return reader.within(TAG.sequence, (fields) => ({
    isCa: fields.flag(TAG.boolean, kind),
    pathLength: fields.optionalContent(TAG.integer, decodeCount),
  }));
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
  const names = readGeneralNames(reader);
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
    const issuer = fields.optionalWithin(contextTag(1, 'constructed'), (names) => names.all(readGeneralName));
    const serialNumber = fields.optionalContent(contextTag(2, 'primitive'), decodeInteger)?.toString('hex');
    if ((issuer === undefined) !== (serialNumber === undefined)) {
      throw new DerError('authorityCertIssuer and authorityCertSerialNumber go together');
    }
    return { keyIdentifier, issuer, serialNumber };
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
  const policies = reader.sequences((fields) => ({
    oid: fields.oid(),
    qualifiers: fields.nextTag === TAG.sequence ? fields.sequences(readQualifier) : [],
  }));
  const oids = policies.map(({ oid }) => oid);
  if (new Set(oids).size !== oids.length) throw new DerError('certificatePolicies names a policy twice');
  const qualifiers = policies.flatMap((policy) => policy.qualifiers);
  return {
    certificatePolicies: oids,
    hasUnknownPolicyQualifier: qualifiers.some((oid) => !POLICY_QUALIFIERS.includes(oid)),
  };
}

function readQualifier(pair: DerReader): string {
  const oid = pair.oid();
  pair.any();
  return oid;
}

function readPolicyConstraints(reader: DerReader) {
  return reader.within(TAG.sequence, (fields) => {
    if (fields.isAtEnd) throw new DerError('policyConstraints is empty');
    return {
      requireExplicitPolicy: fields.optionalContent(contextTag(0, 'primitive'), decodeCount),
      inhibitPolicyMapping: fields.optionalContent(contextTag(1, 'primitive'), decodeCount),
    };
  });
}
