import { verify } from 'node:crypto';
import { OpenBankingError } from '../errors.ts';
import { type Certificate, EXTENSION } from './certificate.ts';
import { formatName, namesEqual } from './distinguished-name.ts';
import { assertStrongKey, digestOf } from './strength.ts';

/** What the caller asks of a path beyond RFC 5280 §6.1. */
export interface PathPolicy {
  /** The extended key usage that the end entity must have; `anyExtendedKeyUsage` does not stand in for it. */
  readonly keyPurpose: string;
  /** What an end entity without the extension is good for. */
  readonly absentExtendedKeyUsage: 'refuse' | 'allow';
}

/** id-kp-clientAuth, stated in the certificate. */
export const TLS_CLIENT_POLICY: PathPolicy = Object.freeze({
  keyPurpose: '1.3.6.1.5.5.7.3.2',
  absentExtendedKeyUsage: 'refuse',
});

export interface PathOptions {
  /** Trusted by configuration, self-signed or not. */
  readonly anchors: readonly Certificate[];
  /** From the trust store and, as mere hints, from the handshake. */
  readonly intermediates: readonly Certificate[];
  readonly at: Date;
  readonly policy: PathPolicy;
}

const SEAL = Symbol('verified');

/** A path that was verified; only `verifyPath` makes one. */
export class VerifiedPath {
  /** End entity first, anchor last. */
  readonly certificates: readonly Certificate[];
  /** Within these dates every certificate of the path is valid. */
  readonly notBefore: Date;
  readonly notAfter: Date;

  constructor(seal: typeof SEAL, certificates: readonly Certificate[]) {
    if (seal !== SEAL) throw new TypeError('a path is made by verifyPath only');
    this.certificates = Object.freeze([...certificates]);
    this.notBefore = new Date(Math.max(...certificates.map((one) => one.notBefore.getTime())));
    this.notAfter = new Date(Math.min(...certificates.map((one) => one.notAfter.getTime())));
    Object.freeze(this);
  }
}

/** Certificates in a path: end entity, up to five authorities, anchor. Real TPP paths have two to four. */
const MAX_PATH = 7;
/** Signatures that one decision may verify: the longest path four times over. Cross-signing graphs end here. */
const MAX_SIGNATURES = 28;

/** The closer a refusal is to success, the more it tells: a later entry wins when every path fails. */
const TELLING = [
  'ERR_CERT_UNTRUSTED',
  'ERR_CERT_SIGNATURE_INVALID',
  'ERR_CERT_WEAK_SIGNATURE',
  'ERR_CERT_WEAK_KEY',
  'ERR_CERT_NOT_A_CA',
  'ERR_CERT_KEY_USAGE',
  'ERR_CERT_PATH_LENGTH',
  'ERR_CERT_NAME_CONSTRAINTS',
  'ERR_CERT_CRITICAL_EXTENSION',
  'ERR_CERT_NOT_YET_VALID',
  'ERR_CERT_EXPIRED',
  'ERR_CERT_PATH_BUDGET',
];

/** Extensions that the steps below act on; any other that is critical is refused (RFC 5280 §4.2). */
const UNDERSTOOD: readonly string[] = [
  EXTENSION.keyUsage,
  EXTENSION.subjectAlternativeName,
  EXTENSION.basicConstraints,
  EXTENSION.extendedKeyUsage,
];

/**
 * Proves that a path leads from the end entity to an anchor (RFC 5280 §6.1): names, signatures, dates, basic
 * constraints, path length, key usages, critical extensions, strength of keys and signatures. Tries every path
 * within a budget of work; when all fail, the most telling reason is thrown.
 *
 * Does not check revocation. An authority with name constraints is refused; policies are not asked for.
 *
 * @throws ERR_CERT_* except MISSING and MALFORMED
 */
export function verifyPath(endEntity: Certificate, options: PathOptions): VerifiedPath {
  assertEndEntity(endEntity, options);
  const search: Search = { ...options, signaturesLeft: MAX_SIGNATURES, refusals: [] };
  const path = extend([endEntity], search);
  if (path !== undefined) return new VerifiedPath(SEAL, path);
  throw mostTelling(search.refusals, endEntity);
}

interface Search extends PathOptions {
  signaturesLeft: number;
  readonly refusals: OpenBankingError[];
}

function extend(path: readonly Certificate[], search: Search): readonly Certificate[] | undefined {
  const child = path.at(-1);
  if (child === undefined || path.length >= MAX_PATH) return undefined;
  const isIssuer = (candidate: Certificate) => namesEqual(candidate.subject, child.issuer);
  for (const issuer of search.anchors.filter(isIssuer)) {
    if (isStep(child, issuer, path.length, search)) return [...path, issuer];
  }
  for (const issuer of search.intermediates.filter(isIssuer)) {
    const isInPath = path.some((one) => one.der.equals(issuer.der));
    if (isInPath || !isStep(child, issuer, path.length, search)) continue;
    const whole = extend([...path, issuer], search);
    if (whole !== undefined) return whole;
  }
  return undefined;
}

/** Whether `issuer` may stand above `child`, with `below` certificates of the path under it. */
function isStep(child: Certificate, issuer: Certificate, below: number, search: Search): boolean {
  try {
    if (search.signaturesLeft <= 0) {
      throw new OpenBankingError('ERR_CERT_PATH_BUDGET', { limit: 'signatures', maximum: MAX_SIGNATURES });
    }
    search.signaturesLeft -= 1;
    assertStrongKey(issuer);
    assertSignature(child, issuer);
    assertAuthority(issuer, below);
    assertDates(issuer, search.at);
    assertCriticalExtensions(issuer);
    return true;
  } catch (error) {
    if (!(error instanceof OpenBankingError)) throw error;
    search.refusals.push(error);
    return false;
  }
}

function assertEndEntity(certificate: Certificate, { at, policy }: PathOptions): void {
  const subject = formatName(certificate.subject);
  assertDates(certificate, at);
  assertStrongKey(certificate);
  assertCriticalExtensions(certificate);
  if (certificate.basicConstraints?.isCa === true) {
    throw new OpenBankingError('ERR_CERT_KEY_USAGE', { subject, needed: 'an end entity, not an authority' });
  }
  if (certificate.keyUsage?.has('digitalSignature') !== true || certificate.keyUsage.has('keyCertSign')) {
    throw new OpenBankingError('ERR_CERT_KEY_USAGE', { subject, needed: 'digitalSignature' });
  }
  const purposes = certificate.extendedKeyUsage;
  const isAllowed =
    purposes === undefined ? policy.absentExtendedKeyUsage === 'allow' : purposes.includes(policy.keyPurpose);
  if (!isAllowed) {
    throw new OpenBankingError('ERR_CERT_EXTENDED_KEY_USAGE', { subject, needed: policy.keyPurpose });
  }
}

function assertSignature(child: Certificate, issuer: Certificate): void {
  const digest = digestOf(child, issuer.publicKey);
  if (!verify(digest, child.tbs, issuer.publicKey, child.signature)) {
    throw new OpenBankingError('ERR_CERT_SIGNATURE_INVALID', {
      subject: formatName(child.subject),
      issuer: formatName(issuer.subject),
    });
  }
}

function assertAuthority(issuer: Certificate, below: number): void {
  const subject = formatName(issuer.subject);
  const constraints = issuer.basicConstraints;
  if (constraints?.isCa !== true) throw new OpenBankingError('ERR_CERT_NOT_A_CA', { subject });
  if (issuer.keyUsage?.has('keyCertSign') !== true) {
    throw new OpenBankingError('ERR_CERT_KEY_USAGE', { subject, needed: 'keyCertSign' });
  }
  // The end entity does not count (RFC 5280 §4.2.1.9); self-issued authorities do here, on the strict side.
  if (constraints.pathLength !== undefined && below - 1 > constraints.pathLength) {
    throw new OpenBankingError('ERR_CERT_PATH_LENGTH', { subject, maximum: constraints.pathLength });
  }
  if (issuer.extensions.has(EXTENSION.nameConstraints)) {
    const constraint = 'name constraints are not supported';
    throw new OpenBankingError('ERR_CERT_NAME_CONSTRAINTS', { subject, constraint });
  }
}

function assertDates(certificate: Certificate, at: Date): void {
  const { notBefore, notAfter } = certificate;
  const subject = formatName(certificate.subject);
  if (at < notBefore) throw new OpenBankingError('ERR_CERT_NOT_YET_VALID', { subject, notBefore, at });
  if (at > notAfter) throw new OpenBankingError('ERR_CERT_EXPIRED', { subject, notAfter, at });
}

function assertCriticalExtensions(certificate: Certificate): void {
  for (const [oid, { critical }] of certificate.extensions) {
    if (critical && !UNDERSTOOD.includes(oid)) {
      const subject = formatName(certificate.subject);
      throw new OpenBankingError('ERR_CERT_CRITICAL_EXTENSION', { subject, extension: oid });
    }
  }
}

function mostTelling(refusals: readonly OpenBankingError[], endEntity: Certificate): OpenBankingError {
  const rank = (error: OpenBankingError) => TELLING.indexOf(error.code);
  const [best] = [...refusals].sort((a, b) => rank(b) - rank(a));
  if (best !== undefined) return best;
  return new OpenBankingError('ERR_CERT_UNTRUSTED', {
    subject: formatName(endEntity.subject),
    issuer: formatName(endEntity.issuer),
  });
}
