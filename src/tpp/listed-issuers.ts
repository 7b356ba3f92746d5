import { OpenBankingError } from '../errors.ts';
import type { Log } from '../events.ts';
import {
  type ListedIssuer,
  type ListState,
  overdueSince,
  type TrustedListSnapshot,
} from '../trusted-lists/snapshot.ts';
import { issuerProblem, issuesForWebsites } from '../trusted-lists/website-issuers.ts';
import { type Certificate, readableCertificates } from '../x509/certificate/certificate.ts';
import { formatName, shownName } from '../x509/certificate/distinguished-name.ts';
import type { VerifiedPath } from '../x509/path/path.ts';
import type { IssuerRule } from './trust-profile.ts';

export interface ListedIssuersOptions {
  /** How long a list counts after it was last fetched. Its own nextUpdate ends it earlier. */
  readonly maxAgeSeconds: number;
  /** The decision about certificates of a list that counts no longer. */
  readonly overdue: 'refuse' | 'accept-and-report';
  readonly log: Log;
}

interface Found {
  readonly issuer: ListedIssuer;
  readonly list: ListState;
}

/** How long an overdue list is not reported again. */
const REPORT_SECONDS = 3600;

/** The issuers that trusted lists name, as anchors, and the rule for the certificates below them. Made for each snapshot. */
export class ListedIssuers implements IssuerRule {
  readonly anchors: readonly Certificate[];
  readonly lists: readonly ListState[];
  readonly #options: ListedIssuersOptions;
  readonly #listOfLists: ListState;
  readonly #byKey = new Map<string, Found[]>();
  readonly #reported = new Map<string, number>();

  constructor(snapshot: TrustedListSnapshot, options: ListedIssuersOptions) {
    this.#options = options;
    this.#listOfLists = snapshot.listOfLists;
    this.lists = [snapshot.listOfLists, ...snapshot.lists];
    const anchors = new Map<string, Certificate>();
    for (const issuer of snapshot.issuers.filter(issuesForWebsites)) {
      const list = snapshot.lists.find(({ territory }) => territory === issuer.territory);
      if (list === undefined) continue;
      for (const anchor of readableCertificates(issuer.certificates, 'anchor')) {
        if (anchor.basicConstraints?.isCa !== true) continue;
        anchors.set(anchor.thumbprint, anchor);
        const found = this.#byKey.get(keyOf(anchor)) ?? [];
        this.#byKey.set(keyOf(anchor), [...found, { issuer, list }]);
      }
    }
    this.anchors = [...anchors.values()];
  }

  /**
   * Why the anchor of a path may not have issued its certificate: the service was not granted for website
   * authentication when it was issued, or is not now, or its list is overdue. Of several services with one key, one
   * is enough.
   */
  refusalOf({ certificates }: VerifiedPath, at: Date): OpenBankingError | undefined {
    const certificate = certificates[0];
    const anchor = certificates.at(-1);
    if (certificate === undefined || anchor === undefined) throw new TypeError('a path has certificates');
    let first: OpenBankingError | undefined;
    for (const found of this.#byKey.get(keyOf(anchor)) ?? []) {
      const refusal = this.#refusalBy(found, { certificate, anchor, at });
      if (refusal === undefined) return undefined;
      first ??= refusal;
    }
    return first ?? notQualified(certificate, anchor, 'no trusted list has the issuer');
  }

  /** The lists whose entries decide, for an explanation. */
  foundFor({ certificates }: VerifiedPath): string {
    const anchor = certificates.at(-1);
    const found = anchor === undefined ? [] : (this.#byKey.get(keyOf(anchor)) ?? []);
    return found
      .map(({ issuer, list }) => `${list.territory} ${list.sequenceNumber}: ${issuer.name}`)
      .join('; ');
  }

  #refusalBy(
    { issuer, list }: Found,
    about: { readonly certificate: Certificate; readonly anchor: Certificate; readonly at: Date },
  ): OpenBankingError | undefined {
    const { certificate, anchor, at } = about;
    const problem =
      issuerProblem(issuer, { certificate, at: certificate.notBefore }) ??
      issuerProblem(issuer, { certificate, at });
    if (problem !== undefined) return notQualified(certificate, anchor, problem);
    return this.#overdue(list, at) ?? this.#overdue(this.#listOfLists, at);
  }

  #overdue(list: ListState, at: Date): OpenBankingError | undefined {
    const { maxAgeSeconds, overdue, log } = this.#options;
    const since = overdueSince(list, { maxAgeSeconds, at });
    if (since === undefined) return undefined;
    const { territory } = list;
    const last = this.#reported.get(territory);
    if (last === undefined || at.getTime() - last > REPORT_SECONDS * 1000) {
      this.#reported.set(territory, at.getTime());
      log.emit('trusted-list.overdue', { kind: territory, since: since.toISOString(), outcome: overdue });
    }
    return overdue === 'refuse'
      ? new OpenBankingError('ERR_TRUSTED_LIST_OVERDUE', { territory, since })
      : undefined;
  }
}

function notQualified(certificate: Certificate, anchor: Certificate, problem: string): OpenBankingError {
  const details = { subject: shownName(certificate.subject), issuer: shownName(anchor.subject), problem };
  return new OpenBankingError('ERR_CERT_ISSUER_NOT_QUALIFIED', details);
}

/** Certificates of one CA key under one name are the same anchor (RFC 5280 §6.1.1 (d)). */
function keyOf({ subject, publicKeyInfo }: Certificate): string {
  return `${publicKeyInfo.toString('base64')} ${formatName(subject, 'strict')}`;
}
