import type { Certificate } from '../certificate/certificate.ts';
import { ATTRIBUTE, findAttribute, namesEqual } from '../certificate/distinguished-name.ts';
import { ANY_EXTENDED_KEY_USAGE, EXTENSION } from '../certificate/extensions.ts';
import { addressText, type GeneralName, isDnsName } from '../certificate/general-name.ts';

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
  /** The position in the path to which the rule applies; absent: every position. */
  readonly positions?: readonly Position[];
  readonly problem: string;
  readonly isBroken: (certificate: Certificate) => boolean;
}

export const CA_POSITIONS: readonly Position[] = ['anchor', 'CA'];

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

const RFC5280_RULES: readonly IssuanceRule[] = [
  {
    problem: 'a date before 2050 is a GeneralizedTime',
    isBroken: ({ hasEarlyGeneralizedTime }) => hasEarlyGeneralizedTime,
  },
  {
    problem: 'an extension that must not be critical is',
    isBroken: ({ extensions }) => MUST_NOT_BE_CRITICAL.some((oid) => extensions.get(oid)?.critical === true),
  },
  {
    positions: CA_POSITIONS,
    problem: 'an extension that must be critical is not',
    isBroken: ({ extensions }) => MUST_BE_CRITICAL.some((oid) => extensions.get(oid)?.critical === false),
  },
  {
    positions: CA_POSITIONS,
    problem: 'a CA has no subjectKeyIdentifier',
    isBroken: ({ subjectKeyIdentifier }) => subjectKeyIdentifier === undefined,
  },
  {
    positions: CA_POSITIONS,
    problem: 'a CA has no keyUsage',
    isBroken: ({ keyUsage }) => keyUsage === undefined,
  },
  {
    problem: 'there is no authorityKeyIdentifier with a key identifier',
    isBroken: (certificate) =>
      certificate.authorityKeyIdentifier?.keyIdentifier === undefined && !isSelfIssued(certificate),
  },
  {
    positions: ['end entity'],
    problem: 'an end entity has constraints that only a CA may have',
    isBroken: ({ nameConstraints, basicConstraints }) =>
      nameConstraints !== undefined ||
      (basicConstraints?.isCa === false && basicConstraints.pathLength !== undefined),
  },
];

const WEB_RULES: readonly IssuanceRule[] = [
  {
    positions: ['end entity'],
    problem: 'extKeyUsage, or subjectAltName beside a subject, is critical',
    isBroken: ({ extensions, subject }) =>
      extensions.get(EXTENSION.extendedKeyUsage)?.critical === true ||
      (subject.rdns.length > 0 && extensions.get(EXTENSION.subjectAlternativeName)?.critical === true),
  },
  {
    positions: ['end entity'],
    problem: 'extKeyUsage is absent or has anyExtendedKeyUsage',
    isBroken: ({ extendedKeyUsage }) => extendedKeyUsage?.includes(ANY_EXTENDED_KEY_USAGE) !== false,
  },
  {
    positions: ['end entity'],
    problem: 'a common name does not repeat a name of subjectAltName to the letter',
    isBroken: ({ subject, subjectAlternativeNames }) => {
      const names = subjectAlternativeNames.map(textOf);
      return findAttribute(subject, ATTRIBUTE.commonName).some((commonName) => !names.includes(commonName));
    },
  },
  {
    positions: ['anchor'],
    problem: 'a root has extKeyUsage',
    isBroken: (certificate) => isSelfIssued(certificate) && certificate.extendedKeyUsage !== undefined,
  },
  {
    positions: ['anchor'],
    problem: 'the authorityKeyIdentifier of a root is not its own key identifier alone',
    isBroken: (certificate) => isSelfIssued(certificate) && !namesOnlyItself(certificate),
  },
];

const RULES: Readonly<Record<IssuanceLevel, readonly IssuanceRule[]>> = {
  path: [],
  rfc5280: RFC5280_RULES,
  web: [...RFC5280_RULES, ...WEB_RULES],
};

function namesOnlyItself({ authorityKeyIdentifier: key, subjectKeyIdentifier }: Certificate): boolean {
  if (key === undefined) return true;
  if (key.keyIdentifier === undefined || key.issuer !== undefined) return false;
  return subjectKeyIdentifier?.equals(key.keyIdentifier) === true;
}

export function isSelfIssued(certificate: Certificate): boolean {
  return namesEqual(certificate.subject, certificate.issuer);
}

function textOf(name: GeneralName): string | undefined {
  return name.kind === 'ip' ? addressText(name.value) : name.kind === 'dns' ? name.value : undefined;
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** A dNSName of a wrong form, where the path is for a server: a client has no use of the name. */
export function findHostNameProblem(certificate: Certificate, keyPurpose: string): string | undefined {
  const isWrong = (name: GeneralName) => name.kind === 'dns' && !isDnsName(name.value);
  const isServer = keyPurpose === SERVER_AUTH;
  return isServer && certificate.subjectAlternativeNames.some(isWrong)
    ? 'a dNSName is no host name'
    : undefined;
}

/** The first rule, up to a level, that the issuer of a certificate broke; undefined when there is none. */
export function findIssuanceProblem(
  certificate: Certificate,
  position: Position,
  level: IssuanceLevel,
): string | undefined {
  return RULES[level].find(
    ({ positions, isBroken }) => positions?.includes(position) !== false && isBroken(certificate),
  )?.problem;
}
