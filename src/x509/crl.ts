import type { Certificate } from './certificate.ts';
import type { CrlIndex } from './crl-index.ts';
import { findScopeProblem, pointsOf, REASONS, reasonsOf } from './crl-scope.ts';
import { type CrlSigner, findSigner } from './crl-signer.ts';
import { namesEqual } from './distinguished-name.ts';
import type { CrlDistributionPoint } from './distribution-point.ts';
import type { VerifiedPath } from './path.ts';
import type { RevocationStatus } from './revocation-status.ts';
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
 * A listed certificate is revoked whatever the date of its entry. Complete lists, lists in parts (by reasons, or by kinds of certificates) and delta lists are understood. Indirect
 * lists, of which another authority is the issuer, are not.
 *
 * @see RFC 5280 §6.3
 */
export function crlStatus(certificate: Certificate, options: CrlOptions): RevocationStatus {
  const findings: Finding[] = [];
  const problems: string[] = [];
  const own = options.crls.filter(({ issuer }) => namesEqual(issuer, certificate.issuer));
  for (const point of pointsOf(certificate)) {
    for (const crl of own) {
      const found = consult(crl, point, { ...options, certificate });
      if (typeof found === 'string') problems.push(found);
      else if (found.entry !== undefined) return { status: 'revoked', source: 'crl', ...found.entry };
      else findings.push(found);
    }
  }
  if (covered(findings) === REASONS.all) return goodBy(findings);
  const none = findings.length > 0 ? 'the lists do not cover every reason' : 'there is no list of its issuer';
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
    (crl.scope.baseNumber === undefined ? undefined : 'a delta list says nothing alone') ??
    (point.crlIssuer.length === 0
      ? undefined
      : 'the certificate names another CRL issuer, which is not supported') ??
    findScopeProblem(crl, point, certificate) ??
    findDateProblem(crl, question);
  if (problem !== undefined) return problem;
  const signer = findSigner(crl, question);
  if (typeof signer === 'string') return signer;
  const doubt = findSignerDoubt(signer, question);
  if (doubt !== undefined) return doubt;
  const delta = findDelta(crl, signer.certificate, question);
  const needsDelta = crl.scope.freshestCrl.length > 0 || certificate.freshestCrl.length > 0;
  if (delta === undefined && needsDelta && question.deltas !== 'optional') {
    return 'changes are announced in a delta list, and there is none that can be used';
  }
  return combine(crl, delta, { ...question, reasons: reasonsOf(crl, point) });
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

/** Changes first; only a hold can be taken back (RFC 5280 §5.3.1, §6.3.3 (i)–(k)). */
function combine(
  crl: CrlIndex,
  delta: CrlIndex | undefined,
  { certificate, issuance, reasons }: Question & { readonly reasons: number },
): Finding | string {
  const listed = crl.find(certificate.serialNumber);
  const changed = delta?.find(certificate.serialNumber);
  const isRemoved = changed?.reason === 'removeFromCRL';
  if (isRemoved && listed !== undefined && listed.reason !== 'certificateHold') {
    return 'a delta list takes back a revocation that was no hold';
  }
  const entry = isRemoved ? undefined : (changed ?? listed);
  const mistake = crl.scope.issuanceProblem ?? delta?.scope.issuanceProblem;
  if (entry === undefined && mistake !== undefined && issuance !== 'path') return mistake;
  return {
    ...(entry === undefined ? {} : { entry }),
    reasons,
    thisUpdate: delta?.thisUpdate ?? crl.thisUpdate,
    nextUpdate: earlier(crl.nextUpdate, delta?.nextUpdate),
  };
}

function earlier(one: Date | undefined, other: Date | undefined): Date | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one < other ? one : other;
}
