import type { Certificate } from '../certificate/certificate.ts';
import type { CrlIndex } from './crl-index.ts';
import { findScopeProblem, pointsOf, REASONS, reasonsOf } from './crl-scope.ts';
import { type CrlSigner, findSigner } from './crl-signer.ts';
import { namesEqual } from '../certificate/distinguished-name.ts';
import type { CrlDistributionPoint } from '../certificate/distribution-point.ts';
import type { VerifiedPath } from '../path/path.ts';
import type { RevocationStatus } from '../certificate/revocation-status.ts';
import type { RevokedEntry } from './serial-table.ts';

export { type CrlIndex, indexCrl } from './crl-index.ts';
export { verifyCrlSigner } from './crl-signer.ts';

/** The inputs of a decision. */
export interface CrlOptions {
  /** The issuer of the certificate, from its verified path. */
  readonly issuer: Certificate;
  /** The rest of that path, anchor last: for lists signed with another key of the issuer. */
  readonly pathAbove?: readonly Certificate[];
  /** Paths by `verifyCrlSigner`, for lists whose signer is not on the certificate's path: of certificates in the
   * trust store, never of certificates that the peer sent. */
  readonly signers?: readonly VerifiedPath[];
  readonly crls: readonly CrlIndex[];
  readonly at: Date;
  /** No older list is accepted. Default: a list is good until its nextUpdate, and not at all without one. */
  readonly maxAgeSeconds?: number | undefined;
  /** Whether a certificate or list that names delta lists needs these. Default: required. */
  readonly deltas?: 'required' | 'optional';
  /** The rules of issuance for a list that proves a certificate good; a revocation needs none. `path`: RFC 5280 §6.3.
   * `rfc5280`: also a number, and criticalities by §5.2. Default: rfc5280. */
  readonly issuance?: 'path' | 'rfc5280';
}

/** The result of one list, with its delta list if there is one. */
interface Finding {
  readonly entry: RevokedEntry | undefined;
  readonly reasons: number;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
}

/**
 * Decides by CRLs whether a certificate is revoked. `good` needs lists that are proven, current and about this
 * certificate, and that together cover every reason; every doubt is `unknown`.
 *
 * A certificate that a proven list names is `revoked`, whatever the date of the entry; by a stale list
 * too, except for a hold: no revocation is undone. Complete lists, lists in parts (by reasons, or by kinds of certificates)
 * and delta lists are understood; indirect lists, which another CA issues, are not.
 *
 * @see RFC 5280 §6.3
 */
export function crlStatus(certificate: Certificate, options: CrlOptions): RevocationStatus {
  const findings: Finding[] = [];
  const problems: string[] = [];
  const own = options.crls.filter(
    ({ issuer, scope }) => scope.baseNumber === undefined && namesEqual(issuer, certificate.issuer),
  );
  for (const point of pointsOf(certificate)) {
    for (const crl of own) {
      const found = consult(crl, point, { ...options, certificate });
      if (typeof found === 'string') problems.push(found);
      else if (found.entry !== undefined) return { status: 'revoked', source: 'crl', ...found.entry };
      else findings.push(found);
    }
  }
  if (covered(findings) === REASONS.all) return goodBy(findings);
  const none =
    findings.length > 0 ? 'the lists do not cover every reason' : 'there is no complete list of its issuer';
  return { status: 'unknown', source: 'crl', problem: problems[0] ?? none };
}

function covered(findings: readonly Finding[]): number {
  return findings.reduce((mask, { reasons }) => mask | reasons, 0);
}

function goodBy(findings: readonly Finding[]): RevocationStatus {
  return {
    status: 'good',
    source: 'crl',
    thisUpdate: new Date(Math.min(...findings.map(({ thisUpdate }) => thisUpdate.getTime()))),
    nextUpdate: findings.map(({ nextUpdate }) => nextUpdate).reduce(earlier),
  };
}

interface Question extends CrlOptions {
  readonly certificate: Certificate;
}

/** The result of a complete list and its delta list, or the reason why there is none (RFC 5280 §6.3.3). */
function consult(crl: CrlIndex, point: CrlDistributionPoint, question: Question): Finding | string {
  const { certificate } = question;
  const problem =
    crl.problem ??
    (point.crlIssuer.length === 0
      ? undefined
      : 'the certificate names another CRL issuer, which is not supported') ??
    findScopeProblem(crl, point, certificate);
  if (problem !== undefined) return problem;
  const signer = findSigner(crl, question);
  if (typeof signer === 'string') return signer;
  const signerDoubt = findSignerDoubt(signer, question);
  if (signerDoubt !== undefined) return signerDoubt;
  const delta = findDelta(crl, signer.certificate, question);
  const entry = findEntry(crl, delta, certificate.serialNumber);
  const staleness = findDateProblem(crl, question);
  const isOnHold = entry?.reason === 'certificateHold';
  const doubt =
    entry === undefined ? (staleness ?? findDoubt(crl, delta, question)) : isOnHold ? staleness : undefined;
  if (doubt !== undefined) return doubt;
  return {
    entry,
    reasons: reasonsOf(crl, point),
    thisUpdate: delta?.thisUpdate ?? crl.thisUpdate,
    nextUpdate: earlier(crl.nextUpdate, delta?.nextUpdate),
  };
}

/** Why a list that does not name the certificate does not prove it good; undefined when it does. */
function findDoubt(crl: CrlIndex, delta: CrlIndex | undefined, question: Question): string | undefined {
  const { certificate, deltas = 'required', issuance = 'rfc5280' } = question;
  const hasDelta = crl.scope.freshestCrl.length > 0 || certificate.freshestCrl.length > 0;
  if (delta === undefined && hasDelta && deltas === 'required') {
    return 'changes are announced in a delta list, and there is none that can be used';
  }
  return issuance === 'path' ? undefined : (crl.scope.issuanceProblem ?? delta?.scope.issuanceProblem);
}

/** An invalid date makes the comparison false, which refuses. */
function findDateProblem(crl: CrlIndex, { at, maxAgeSeconds }: CrlOptions): string | undefined {
  const now = at.getTime();
  if (!(crl.thisUpdate.getTime() <= now)) return 'the list is of the future';
  const ageSeconds = (now - crl.thisUpdate.getTime()) / 1000;
  if (maxAgeSeconds !== undefined && !(ageSeconds <= maxAgeSeconds))
    return 'the list is older than is allowed';
  if (crl.nextUpdate === undefined) {
    return maxAgeSeconds === undefined ? 'the list does not say until when it is good' : undefined;
  }
  return now <= crl.nextUpdate.getTime() ? undefined : 'the list is past its next update';
}

/** A signer that is not on the path must be good by the lists too: no other check asks whether it is revoked. */
function findSignerDoubt({ path }: CrlSigner, question: Question): string | undefined {
  const certificates = path?.certificates ?? [];
  for (const [index, certificate] of certificates.slice(0, -1).entries()) {
    const [issuer, ...pathAbove] = certificates.slice(index + 1);
    if (issuer === undefined) continue;
    // Without extra signers: a list is no evidence for its own signer.
    const status = crlStatus(certificate, { ...question, issuer, pathAbove, signers: [] });
    if (status.status === 'revoked') return 'a certificate that its signer depends on is revoked';
    if (status.status === 'unknown')
      return `it is not known whether its signer is revoked: ${status.problem}`;
  }
  return undefined;
}

/** The newest usable delta list of a complete one, signed by the same key (RFC 5280 §5.2.4, §6.3.3 (c)(h)). */
function findDelta(crl: CrlIndex, signer: Certificate, question: Question): CrlIndex | undefined {
  const usable = question.crls.filter(
    (delta) =>
      delta.problem === undefined &&
      isChangeOf(crl, delta) &&
      findDateProblem(delta, question) === undefined &&
      delta.findSignerProblem(signer) === undefined,
  );
  return usable.reduce<CrlIndex | undefined>(
    (best, delta) => (best === undefined || delta.isNewerThan(best) ? delta : best),
    undefined,
  );
}

function isChangeOf(complete: CrlIndex, delta: CrlIndex): boolean {
  const { number, scopeKey } = complete.scope;
  const { number: deltaNumber, baseNumber } = delta.scope;
  if (number === undefined || deltaNumber === undefined || baseNumber === undefined) return false;
  return (
    baseNumber <= number &&
    number <= deltaNumber &&
    scopeKey === delta.scope.scopeKey &&
    namesEqual(complete.issuer, delta.issuer)
  );
}

/** The delta list first; it can lift a hold, and no other revocation (RFC 5280 §5.3.1, §6.3.3 (i)–(k)). */
function findEntry(
  crl: CrlIndex,
  delta: CrlIndex | undefined,
  serialNumber: string,
): RevokedEntry | undefined {
  const listed = crl.find(serialNumber);
  const changed = delta?.find(serialNumber);
  if (changed?.reason !== 'removeFromCRL') return changed ?? listed;
  return listed?.reason === 'certificateHold' ? undefined : listed;
}

function earlier(one: Date | undefined, other: Date | undefined): Date | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one < other ? one : other;
}
