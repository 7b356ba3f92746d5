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

/** What a status is decided by. */
export interface CrlOptions {
  /** The issuer of the certificate, from its verified path. */
  readonly issuer: Certificate;
  /** The rest of that path, anchor last: for lists signed with another key of the issuer. */
  readonly authorities?: readonly Certificate[];
  /** Paths by `verifyCrlSigner`, for lists whose signer is not on the certificate's path: of certificates that the
   * trust store has, never of any that the other side sent. */
  readonly signers?: readonly VerifiedPath[];
  readonly crls: readonly CrlIndex[];
  readonly at: Date;
  /** No list that was made longer ago is believed. Default: as its nextUpdate says; without that, none. */
  readonly maxAgeSeconds?: number;
  /** Whether a certificate or list that says where changes are announced needs these. Default: required. */
  readonly deltas?: 'required' | 'optional';
  /** How well a list must have been issued to say that a certificate is good; to revoke, it need not be. `path`: well
   * enough for RFC 5280 §6.3. `rfc5280`: with a number, and criticalities as §5.2 has them. Default: rfc5280. */
  readonly issuance?: 'path' | 'rfc5280';
}

/** What one list, or a list with its changes, says. */
interface Finding {
  readonly entry?: RevokedEntry;
  readonly reasons: number;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
}

/**
 * Decides by CRLs whether a certificate is revoked. `good` needs lists that are proven, current and about this
 * certificate, and that together cover every reason; everything that is in doubt is `unknown`.
 *
 * What a proven list about this certificate names is `revoked`, whatever the date of the entry, and except for a hold
 * also when the list is stale: nothing takes a revocation back. Complete lists, lists in parts (by reasons, or by kinds
 * of certificates) and delta lists are understood. Indirect lists, of which another authority is the issuer, are not.
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
  const ends = findings.flatMap(({ nextUpdate }) => (nextUpdate === undefined ? [] : [nextUpdate.getTime()]));
  return {
    status: 'good',
    source: 'crl',
    thisUpdate: new Date(Math.min(...findings.map(({ thisUpdate }) => thisUpdate.getTime()))),
    ...(ends.length === 0 ? {} : { nextUpdate: new Date(Math.min(...ends)) }),
  };
}

interface Question extends CrlOptions {
  readonly certificate: Certificate;
}

/** What a complete list says, with its delta list if there is one, or why it says nothing (RFC 5280 §6.3.3). */
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
    ...(entry === undefined ? {} : { entry }),
    reasons: reasonsOf(crl, point),
    thisUpdate: delta?.thisUpdate ?? crl.thisUpdate,
    nextUpdate: earlier(crl.nextUpdate, delta?.nextUpdate),
  };
}

/** Why a list that does not name the certificate must not be taken to say that it is good. */
function findDoubt(crl: CrlIndex, delta: CrlIndex | undefined, question: Question): string | undefined {
  const { certificate, deltas = 'required', issuance = 'rfc5280' } = question;
  const hasDelta = crl.scope.freshestCrl.length > 0 || certificate.freshestCrl.length > 0;
  if (delta === undefined && hasDelta && deltas === 'required') {
    return 'changes are announced in a delta list, and there is none that can be used';
  }
  return issuance === 'path' ? undefined : (crl.scope.issuanceProblem ?? delta?.scope.issuanceProblem);
}

/** Written so that an invalid date refuses. */
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

/** A signer that is not on the path, so that nobody else asks whether it is revoked, must be good by the lists, too. */
function findSignerDoubt({ path }: CrlSigner, question: Question): string | undefined {
  const certificates = path?.certificates ?? [];
  for (const [index, certificate] of certificates.slice(0, -1).entries()) {
    const [issuer, ...authorities] = certificates.slice(index + 1);
    if (issuer === undefined) continue;
    // Without signers of its own: a list is no evidence for who signed it.
    const status = crlStatus(certificate, { ...question, issuer, authorities, signers: [] });
    if (status.status === 'revoked') return 'a certificate that its signer depends on is revoked';
    if (status.status === 'unknown')
      return `it is not known whether its signer is revoked: ${status.problem}`;
  }
  return undefined;
}

/** The newest usable list of changes to a complete one, signed by the same key (RFC 5280 §5.2.4, §6.3.3 (c)(h)). */
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

/** Changes first; they can take back a hold, and nothing else (RFC 5280 §5.3.1, §6.3.3 (i)–(k)). */
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
