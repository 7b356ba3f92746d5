import type { Certificate } from '../certificate/certificate.ts';
import { ATTRIBUTE, findAttribute, namesEqual } from '../certificate/distinguished-name.ts';
import { ANY_EXTENDED_KEY_USAGE, EXTENSION } from '../certificate/extensions.ts';
import type { GeneralName } from '../certificate/general-name.ts';

/**
 * The rules of issuance that certificates must meet, beyond RFC 5280 §6.1.
 *
 * - `path`: nothing more.
 * - `rfc5280`: the duties of issuers by §4.2: key identifiers, extensions critical or not as they must be.
 * - `web`: also those of the CA/Browser Forum Baseline Requirements §7.1.2, as for QWACs.
 */
export type IssuanceLevel = 'path' | 'rfc5280' | 'web';

export type Position = 'anchor' | 'CA' | 'end entity';

interface IssuanceRule {
  readonly level: 'rfc5280' | 'web';
  /** The position in the path to which the rule applies; absent: every position. */
  readonly positions?: readonly Position[];
  readonly problem: string;
  readonly isBroken: (certificate: Certificate) => boolean;
}

const CA_POSITIONS: readonly Position[] = ['anchor', 'CA'];

/** §4.2.1.9, §4.2.1.10, §4.2.1.11, §4.2.1.14. */
const MUST_BE_CRITICAL = [
  EXTENSION.basicConstraints,
  EXTENSION.nameConstraints,
  EXTENSION.policyConstraints,
  EXTENSION.inhibitAnyPolicy,
];
/** §4.2.1.1, §4.2.1.2, §4.2.1.15, §4.2.2.1, §4.2.2.2. */
const MUST_NOT_BE_CRITICAL = [
  EXTENSION.authorityKeyIdentifier,
  EXTENSION.subjectKeyIdentifier,
  EXTENSION.freshestCrl,
  EXTENSION.authorityInformationAccess,
  EXTENSION.subjectInformationAccess,
];

const RULES: readonly IssuanceRule[] = [
  {
    level: 'rfc5280',
    problem: 'a date before 2050 is a GeneralizedTime',
    isBroken: ({ hasEarlyGeneralizedTime }) => hasEarlyGeneralizedTime,
  },
  {
    level: 'rfc5280',
    problem: 'an extension that must not be critical is',
    isBroken: ({ extensions }) => MUST_NOT_BE_CRITICAL.some((oid) => extensions.get(oid)?.critical === true),
  },
  {
    level: 'rfc5280',
    positions: CA_POSITIONS,
    problem: 'an extension that must be critical is not',
    isBroken: ({ extensions }) => MUST_BE_CRITICAL.some((oid) => extensions.get(oid)?.critical === false),
  },
  {
    level: 'rfc5280',
    positions: CA_POSITIONS,
    problem: 'a CA has no subjectKeyIdentifier',
    isBroken: ({ subjectKeyIdentifier }) => subjectKeyIdentifier === undefined,
  },
  {
    level: 'rfc5280',
    positions: CA_POSITIONS,
    problem: 'a CA has no keyUsage',
    isBroken: ({ keyUsage }) => keyUsage === undefined,
  },
  {
    level: 'rfc5280',
    problem: 'there is no authorityKeyIdentifier with a key identifier',
    isBroken: (certificate) =>
      certificate.authorityKeyIdentifier?.keyIdentifier === undefined && !isSelfIssued(certificate),
  },
  {
    level: 'rfc5280',
    positions: ['end entity'],
    problem: 'an end entity has constraints that only a CA may have',
    isBroken: ({ nameConstraints, basicConstraints }) =>
      nameConstraints !== undefined ||
      (basicConstraints?.isCa === false && basicConstraints.pathLength !== undefined),
  },
  {
    level: 'web',
    positions: ['end entity'],
    problem: 'extKeyUsage, or subjectAltName beside a subject, is critical',
    isBroken: ({ extensions, subject }) =>
      extensions.get(EXTENSION.extendedKeyUsage)?.critical === true ||
      (subject.rdns.length > 0 && extensions.get(EXTENSION.subjectAlternativeName)?.critical === true),
  },
  {
    level: 'web',
    positions: ['end entity'],
    problem: 'extKeyUsage is absent or has anyExtendedKeyUsage',
    isBroken: ({ extendedKeyUsage }) => extendedKeyUsage?.includes(ANY_EXTENDED_KEY_USAGE) !== false,
  },
  {
    level: 'web',
    positions: ['end entity'],
    problem: 'a common name does not repeat a name of subjectAltName to the letter',
    isBroken: ({ subject, subjectAlternativeNames }) => {
      const names = subjectAlternativeNames.map(textOf);
      return findAttribute(subject, ATTRIBUTE.commonName).some((commonName) => !names.includes(commonName));
    },
  },
  {
    level: 'web',
    positions: ['anchor'],
    problem: 'a root has extKeyUsage',
    isBroken: (certificate) => isSelfIssued(certificate) && certificate.extendedKeyUsage !== undefined,
  },
  {
    level: 'web',
    positions: ['anchor'],
    problem: 'the authorityKeyIdentifier of a root is not its own key identifier alone',
    isBroken: (certificate) => isSelfIssued(certificate) && !namesOnlyItself(certificate),
  },
];

function namesOnlyItself({ authorityKeyIdentifier: key, subjectKeyIdentifier }: Certificate): boolean {
  if (key === undefined) return true;
  if (key.keyIdentifier === undefined || key.issuer !== undefined) return false;
  return subjectKeyIdentifier?.equals(key.keyIdentifier) === true;
}

export function isSelfIssued(certificate: Certificate): boolean {
  return namesEqual(certificate.subject, certificate.issuer);
}

/** A host name, or an address as RFC 5952 writes it. */
function textOf(name: GeneralName): string | undefined {
  if (name.kind === 'dns') return name.value;
  if (name.kind !== 'ip') return undefined;
  if (name.value.length === 4) return name.value.join('.');
  const groups = name.value.toString('hex').replace(/.{4}(?!$)/g, '$&:');
  return new URL(`http://[${groups}]`).hostname.slice(1, -1);
}

/** The first rule, up to a level, that the issuer of a certificate broke; undefined when there is none. */
export function findIssuanceProblem(
  certificate: Certificate,
  position: Position,
  level: IssuanceLevel,
): string | undefined {
  const levels: readonly string[] = level === 'web' ? ['rfc5280', 'web'] : [level];
  return RULES.filter((rule) => levels.includes(rule.level))
    .filter((rule) => rule.positions?.includes(position) ?? true)
    .find((rule) => rule.isBroken(certificate))?.problem;
}
