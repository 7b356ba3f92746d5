import { OpenBankingError } from '../../errors.ts';
import type { Certificate } from '../certificate/certificate.ts';
import { type PolicyInputs, PolicyGraph } from './certificate-policies.ts';
import { shownName } from '../certificate/distinguished-name.ts';
import { ANY_EXTENDED_KEY_USAGE, EXTENSION, type KeyUsage } from '../certificate/extensions.ts';
import {
  CA_POSITIONS,
  findHostNameProblem,
  findIssuanceProblem,
  type IssuanceLevel,
  isSelfIssued,
  type Position,
} from './issuance-rules.ts';
import { ConstraintSet } from './name-constraints.ts';
import type { PathBudget } from './path-budget.ts';

/** The demands of the caller on a path. Every absent field has its strict value. */
export interface PathPolicy extends PolicyInputs {
  /** The extended key usage that the path must be good for, dotted. */
  readonly keyPurpose: string;
  /** An end entity without the extension. Default: refuse. */
  readonly absentExtendedKeyUsage?: 'refuse' | 'allow';
  /** An end entity with anyExtendedKeyUsage in place of the purpose. Default: refuse. */
  readonly anyExtendedKeyUsage?: 'refuse' | 'allow';
  /** The key usage that the end entity must have; for cRLSign, a CA may be in its place.
   * Default: digitalSignature. */
  readonly endEntityUsage?: 'digitalSignature' | 'cRLSign';
  /** Default: rfc5280. */
  readonly issuance?: IssuanceLevel;
  /** `constraints`: an anchor counts with name, key, dates and constraints, whatever rules of issuance it breaks
   * (RFC 5280 §6.1.1 (d)). Default: `issued`, by the same rules as the certificates below it. */
  readonly anchors?: 'constraints' | 'issued';
  /** CAs allowed between end entity and anchor, self-issued ones not counted. Default: any number. */
  readonly maxPathLength?: number;
  /** Critical extensions that the caller checks, such as qcStatements. Default: none. */
  readonly understoodExtensions?: readonly string[];
}

/** One rule applied to one certificate; `refusal` is set when the rule failed. */
export interface PathStep {
  readonly rule: string;
  readonly clause: string;
  readonly certificate: Certificate;
  readonly refusal?: OpenBankingError;
}

interface PathInputs {
  readonly at: Date;
  readonly policy: PathPolicy;
  readonly budget: PathBudget;
}

/** The state of the walk from the anchor down to the end entity (RFC 5280 §6.1.2). */
export class PathState {
  readonly at: Date;
  readonly policy: PathPolicy;
  readonly names: ConstraintSet;
  readonly policies: PolicyGraph;
  /** How many CAs may follow, and the pathLenConstraint behind that. */
  pathLength: { readonly left: number; readonly maximum: number };
  validPolicies: readonly string[] = [];
  /** The rules that were applied so far. */
  readonly steps: PathStep[] = [];

  /** `length`: how many certificates are below the anchor. */
  constructor(length: number, inputs: PathInputs) {
    const { at, policy, budget } = inputs;
    const maximum = policy.maxPathLength ?? length;
    this.at = at;
    this.policy = policy;
    this.names = new ConstraintSet(budget);
    this.policies = new PolicyGraph(length, policy);
    this.pathLength = { left: maximum, maximum };
  }
}

/** One rule that every certificate of a path in some positions must pass; `check` throws the refusal. */
export interface PathRule {
  readonly name: string;
  readonly clause: string;
  /** Absent: every position. */
  readonly positions?: readonly Position[];
  readonly check: (certificate: Certificate, state: PathState, position: Position) => void;
}

/**
 * In the order of RFC 5280 §6.1.3 and §6.1.4. The anchor's own dates and constraints apply too: it is a
 * certificate whose issuer set these limits.
 */
export const PATH_RULES: readonly PathRule[] = [
  { name: 'version 3', clause: 'RFC 5280 §4.1.2.1', check: checkVersion },
  { name: 'key strength', clause: 'FAPI 2.0 §5.4.1', check: checkKey },
  { name: 'validity', clause: 'RFC 5280 §6.1.3 (a)(2)', check: checkValidity },
  { name: 'critical extensions', clause: 'RFC 5280 §6.1.4 (o)', check: checkCritical },
  { name: 'issuance', clause: 'RFC 5280 §4.2', check: checkIssuance },
  { name: 'basic constraints', clause: 'RFC 5280 §6.1.4 (k)', positions: CA_POSITIONS, check: checkIsCa },
  { name: 'name constraints', clause: 'RFC 5280 §6.1.3 (b)(c)', check: checkNames },
  { name: 'path length', clause: 'RFC 5280 §6.1.4 (l)(m)', positions: CA_POSITIONS, check: checkPathLength },
  { name: 'key usage', clause: 'RFC 5280 §4.2.1.3', check: checkKeyUsage },
  { name: 'extended key usage', clause: 'RFC 5280 §4.2.1.12', check: checkPurpose },
  { name: 'policies', clause: 'RFC 5280 §6.1.3 (d)–(f), §6.1.5', check: checkPolicies },
];

function checkVersion(certificate: Certificate): void {
  if (certificate.version !== 3) {
    throw new OpenBankingError('ERR_CERT_MALFORMED', { problem: `version ${certificate.version}, not 3` });
  }
}

function checkKey(certificate: Certificate): void {
  const refusal = findKeyRefusal(certificate);
  if (refusal !== undefined) throw refusal;
}

/** The refusal of a key that is too weak or not supported. */
export function findKeyRefusal(certificate: Certificate): OpenBankingError | undefined {
  if (certificate.keyProblem === undefined) return undefined;
  const { kind, key } = certificate.keyProblem;
  const code = kind === 'weak' ? 'ERR_CERT_WEAK_KEY' : 'ERR_CERT_KEY_UNSUPPORTED';
  return new OpenBankingError(code, { subject: subjectOf(certificate), key });
}

function checkValidity(certificate: Certificate, { at }: PathState): void {
  assertValidAt(certificate, at);
}

/**
 * Certificates count in whole seconds, so the fraction of the current one is dropped.
 *
 * @throws ERR_CERT_NOT_YET_VALID, ERR_CERT_EXPIRED
 */
export function assertValidAt(certificate: Certificate, at: Date): void {
  const second = Math.floor(at.getTime() / 1000) * 1000;
  const { notBefore, notAfter } = certificate;
  // An invalid date makes the comparison false, which refuses.
  if (!(second >= notBefore.getTime())) {
    throw new OpenBankingError('ERR_CERT_NOT_YET_VALID', { subject: subjectOf(certificate), notBefore, at });
  }
  if (!(second <= notAfter.getTime())) {
    throw new OpenBankingError('ERR_CERT_EXPIRED', { subject: subjectOf(certificate), notAfter, at });
  }
}

/** The extensions that the rules read. The distribution points are read by the revocation check. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  EXTENSION.keyUsage,
  EXTENSION.subjectAlternativeName,
  EXTENSION.basicConstraints,
  EXTENSION.nameConstraints,
  EXTENSION.crlDistributionPoints,
  EXTENSION.certificatePolicies,
  EXTENSION.policyMappings,
  EXTENSION.policyConstraints,
  EXTENSION.extendedKeyUsage,
  EXTENSION.inhibitAnyPolicy,
  // Must not be critical, which the issuance rules refuse where they apply; understood nevertheless.
  EXTENSION.authorityKeyIdentifier,
  EXTENSION.subjectKeyIdentifier,
]);

function checkCritical(certificate: Certificate, { policy }: PathState): void {
  for (const [extension, { critical }] of certificate.extensions) {
    const isUnderstood =
      isReadHere(certificate, extension) || policy.understoodExtensions?.includes(extension) === true;
    if (critical && !isUnderstood) {
      const details = { subject: subjectOf(certificate), extension };
      throw new OpenBankingError('ERR_CERT_CRITICAL_EXTENSION', details);
    }
  }
}

/** RFC 5280 §4.2.1.4: policies count as understood with their qualifiers only. */
function isReadHere({ hasUnknownPolicyQualifier }: Certificate, extension: string): boolean {
  const isStrange = extension === EXTENSION.certificatePolicies && hasUnknownPolicyQualifier === true;
  return UNDERSTOOD.has(extension) && !isStrange;
}

function checkIssuance(certificate: Certificate, { policy }: PathState, position: Position): void {
  const problem =
    findIssuanceProblem(certificate, position, policy.issuance ?? 'rfc5280') ??
    findHostNameProblem(certificate, policy.keyPurpose);
  if (problem !== undefined && !isAnchorOfConstraints(policy, position)) {
    throw new OpenBankingError('ERR_CERT_PROFILE', { subject: subjectOf(certificate), problem });
  }
}

function isAnchorOfConstraints({ anchors }: PathPolicy, position: Position): boolean {
  return position === 'anchor' && anchors === 'constraints';
}

/** A self-issued CA, such as a key rollover, is exempt; a self-issued end entity is not. */
function checkNames(certificate: Certificate, { names, policy }: PathState, position: Position): void {
  const isExempt = position === 'anchor' || (position === 'CA' && isSelfIssued(certificate));
  if (!isExempt) names.check(certificate);
  if (position !== 'end entity')
    names.add(certificate, isAnchorOfConstraints(policy, position) ? 'anchor' : 'certificate');
}

function checkIsCa(certificate: Certificate): void {
  if (certificate.basicConstraints?.isCa !== true) {
    throw new OpenBankingError('ERR_CERT_NOT_A_CA', { subject: subjectOf(certificate) });
  }
}

function checkPathLength(certificate: Certificate, state: PathState, position: Position): void {
  const { left, maximum } = state.pathLength;
  const isCounted = position !== 'anchor' && !isSelfIssued(certificate);
  if (isCounted && left <= 0) {
    throw new OpenBankingError('ERR_CERT_PATH_LENGTH', { subject: subjectOf(certificate), maximum });
  }
  const rest = isCounted ? left - 1 : left;
  const own = certificate.basicConstraints?.pathLength;
  state.pathLength = own !== undefined && own < rest ? { left: own, maximum: own } : { left: rest, maximum };
}

/** An absent extension allows every use, except that a certification authority is never a client. */
function checkKeyUsage(certificate: Certificate, { policy }: PathState, position: Position): void {
  const { endEntityUsage = 'digitalSignature' } = policy;
  const isEndEntity = position === 'end entity';
  const needed: KeyUsage = isEndEntity ? endEntityUsage : 'keyCertSign';
  const isAllowed = certificate.keyUsage?.has(needed) ?? true;
  const isCa =
    certificate.basicConstraints?.isCa === true || certificate.keyUsage?.has('keyCertSign') === true;
  if (!isAllowed || (isEndEntity && isCa && endEntityUsage !== 'cRLSign')) {
    const wanted = isAllowed ? 'an end entity, not a certification authority' : needed;
    throw new OpenBankingError('ERR_CERT_KEY_USAGE', { subject: subjectOf(certificate), needed: wanted });
  }
}

/** A CA may name the purpose or any purpose; a CA that names others is restricted to those. */
function checkPurpose(certificate: Certificate, { policy }: PathState, position: Position): void {
  const purposes = certificate.extendedKeyUsage;
  const isEndEntity = position === 'end entity';
  const anyIsAllowed = !isEndEntity || policy.anyExtendedKeyUsage === 'allow';
  const isAllowed =
    purposes === undefined
      ? !isEndEntity || policy.absentExtendedKeyUsage === 'allow'
      : purposes.includes(policy.keyPurpose) || (anyIsAllowed && purposes.includes(ANY_EXTENDED_KEY_USAGE));
  if (!isAllowed) {
    const details = { subject: subjectOf(certificate), needed: policy.keyPurpose };
    throw new OpenBankingError('ERR_CERT_EXTENDED_KEY_USAGE', details);
  }
}

function checkPolicies(certificate: Certificate, state: PathState, position: Position): void {
  switch (position) {
    case 'anchor':
      state.policies.begin(certificate);
      break;
    case 'CA':
      state.policies.addAuthority(certificate, isSelfIssued(certificate));
      break;
    case 'end entity':
      state.validPolicies = state.policies.addEndEntity(certificate);
      break;
  }
}

function subjectOf(certificate: Certificate): string {
  return shownName(certificate.subject);
}
