import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { CrlShelf } from './crl-shelf.ts';
import type { OcspClient } from './ocsp-client.ts';
import { type CheckedCertificate, crlUrls, isShortTerm, ocspUrls } from './revocation-pointers.ts';
import type { RevocationPolicy } from './revocation-policy.ts';
import {
  invalidEvidence,
  isUnproven,
  type ProvenStatus,
  type UnprovenStatus,
  unproven,
} from './revocation-refusal.ts';

/** What happens, for counters. */
export type RevocationEvent =
  | 'answer.good'
  | 'answer.revoked'
  | 'answer.invalid'
  | 'answer.unavailable'
  | 'unknown.accepted';

export interface RevocationSources {
  readonly ocsp: OcspClient;
  readonly crls: CrlShelf;
  readonly clock: Clock;
  readonly log: Log;
  readonly count: (event: RevocationEvent) => void;
  readonly coolDownSeconds: number;
}

type Revoked = Extract<ProvenStatus, { readonly status: 'revoked' }>;
type Verdict = Revoked | { readonly status: 'good' /** Milliseconds. */; readonly until: number };

/** The second source is not kept waiting for longer than this part of a request's time. */
const PATIENCE = 1 / 3;

/**
 * What is known of one certificate, and how it is kept known: one question at a time, asked again ahead of the end of
 * the last answer, and not at once after a failure. An older answer never takes the place of a newer one, and what is
 * revoked for good stays so.
 */
export class RevocationRecord {
  readonly about: CheckedCertificate;
  policy: RevocationPolicy;
  verdict: Verdict | undefined;
  /** Milliseconds since the epoch, as all times here. */
  refreshAt = Number.POSITIVE_INFINITY;
  usedAt = 0;
  isForgotten = false;
  readonly #sources: RevocationSources;
  readonly #newest = { ocsp: 0, crl: 0 };
  #checkedAt: number | undefined;
  #failure: { readonly error: UnprovenStatus; readonly until: number } | undefined;
  #pending: Promise<UnprovenStatus | undefined> | undefined;

  constructor(about: CheckedCertificate, policy: RevocationPolicy, sources: RevocationSources) {
    this.about = about;
    this.policy = policy;
    this.#sources = sources;
  }

  get isBusy(): boolean {
    return this.#pending !== undefined;
  }

  /** Makes the verdict known, from memory of a former run or by asking; resolves to what stood in the way. */
  settle(): Promise<UnprovenStatus | undefined> {
    const { until, error } = this.#failure ?? { until: 0 };
    if (error !== undefined && this.#now() < until) return Promise.resolve(error);
    return this.#once(async () => {
      if (this.#checkedAt === undefined && (await this.#recall())) return undefined;
      return this.#ask();
    });
  }

  /** Asks anew. A failure is kept for who needs the answer. */
  async refresh(): Promise<void> {
    await this.#once(() => this.#ask());
  }

  #once(run: () => Promise<UnprovenStatus | undefined>): Promise<UnprovenStatus | undefined> {
    this.#pending ??= run().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #recall(): Promise<boolean> {
    const { ocsp, crls } = this.#sources;
    const recalled = [ocsp.recall(this.about, this.policy), crls.recall(this.about, this.policy)];
    for (const status of await Promise.all(recalled)) if (status !== undefined) this.#note(status);
    if (this.verdict === undefined) return false;
    this.refreshAt = this.#now();
    return true;
  }

  async #ask(): Promise<UnprovenStatus | undefined> {
    const { log, count, coolDownSeconds } = this.#sources;
    try {
      const status = await this.#answer();
      this.#failure = undefined;
      this.#checkedAt = this.#now();
      count(status.status === 'good' ? 'answer.good' : 'answer.revoked');
      return undefined;
    } catch (error) {
      if (!isUnproven(error)) throw error;
      const now = this.#now();
      // One line when it begins, not one for each time that it is tried.
      if (this.#failure === undefined) log.warn('revocation.unknown', { error });
      count(error.code === 'ERR_CERT_REVOCATION_INVALID' ? 'answer.invalid' : 'answer.unavailable');
      this.#failure = { error, until: now + coolDownSeconds * 1000 };
      this.refreshAt = now + coolDownSeconds * 1000;
      return error;
    }
  }

  async #answer(): Promise<ProvenStatus> {
    const { ocsp, crls } = this.#sources;
    const { about, policy } = this;
    const exempt = this.#exemption();
    if (exempt !== undefined) return this.#note(exempt);
    const sinceLastTime =
      this.#checkedAt === undefined ? Number.POSITIVE_INFINITY : this.#now() - this.#checkedAt;
    const maxAge = Math.min(sinceLastTime / 1000, policy.refreshSeconds / 2);
    const sources = [
      { has: ocspUrls(about, policy).length > 0, ask: () => ocsp.ask(about, policy) },
      { has: crlUrls(about, policy).length > 0, ask: () => crls.ask(about, policy, maxAge) },
    ];
    if (policy.mode === 'crl-first') sources.reverse();
    const [first, second] = sources
      .filter(({ has }) => has)
      .map(
        ({ ask }) =>
          () =>
            ask().then((found) => this.#note(found)),
      );
    if (first === undefined) {
      throw invalidEvidence(about.certificate, 'the certificate does not say where its status is');
    }
    return second === undefined
      ? first()
      : eitherOf(first, second, { about, patienceSeconds: policy.budgetSeconds * PATIENCE });
  }

  /** A certificate that needs no answer, by the policy. */
  #exemption(): ProvenStatus | undefined {
    const { about, policy } = this;
    const hasPointers = ocspUrls(about, policy).length > 0 || crlUrls(about, policy).length > 0;
    const isExempt =
      (policy.shortTerm === 'accept' && isShortTerm(about)) ||
      (policy.withoutPointers === 'accept' && !hasPointers);
    if (!isExempt) return undefined;
    const { notAfter: nextUpdate } = about.certificate;
    return { status: 'good', source: 'crl', thisUpdate: this.#sources.clock.now(), nextUpdate };
  }

  /** Takes a proven status in, unless a newer one or a final one is there. */
  #note(status: ProvenStatus): ProvenStatus {
    const known = this.verdict;
    if (known?.status === 'revoked' && known.reason !== 'certificateHold') return known;
    if (status.status === 'revoked') {
      if (known?.status !== 'revoked') {
        const { certificate } = this.about;
        this.#sources.log.warn('revocation.revoked', { certificateSerial: certificate.serialNumber });
      }
      this.verdict = status;
      this.refreshAt =
        status.reason === 'certificateHold'
          ? this.#now() + this.policy.refreshSeconds * 1000
          : Number.POSITIVE_INFINITY;
      return status;
    }
    const thisUpdate = status.thisUpdate.getTime();
    if (thisUpdate < this.#newest[status.source]) {
      throw invalidEvidence(
        this.about.certificate,
        `${status.source}: the answer is older than one that was seen`,
      );
    }
    this.#newest[status.source] = thisUpdate;
    const until = status.nextUpdate?.getTime() ?? thisUpdate + (this.policy.crlMaxAgeSeconds ?? 0) * 1000;
    this.verdict = { status: 'good', until };
    this.refreshAt = this.#nextRefresh(status.source, until);
    return status;
  }

  /**
   * Half-way to the end of the answer, so that there is time to fail in, and as often as the policy says. A list may be
   * half that old already, when another certificate had it fetched.
   */
  #nextRefresh(source: ProvenStatus['source'], until: number): number {
    const now = this.#now();
    const { coolDownSeconds } = this.#sources;
    const usual = this.policy.refreshSeconds * (source === 'crl' ? 500 : 1000);
    const least = Math.min(coolDownSeconds * 1000, until - now);
    return now + Math.max(Math.min(usual, (until - now) / 2), least);
  }

  #now(): number {
    return this.#sources.clock.now().getTime();
  }
}

/** The first source's answer; the second's when the first fails or takes its time. */
async function eitherOf(
  first: () => Promise<ProvenStatus>,
  second: () => Promise<ProvenStatus>,
  { about, patienceSeconds }: { readonly about: CheckedCertificate; readonly patienceSeconds: number },
): Promise<ProvenStatus> {
  const one = first();
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), patienceSeconds * 1000);
    timer.unref();
  });
  const early = await Promise.race([one.catch(() => 'failed' as const), patience]);
  clearTimeout(timer);
  if (typeof early !== 'string') return early;
  try {
    return await Promise.any([one, second()]);
  } catch (error) {
    const errors = error instanceof AggregateError ? error.errors : [error];
    const fault: unknown = errors.find((cause) => !isUnproven(cause));
    if (fault !== undefined) throw fault;
    throw unproven(about.certificate, errors.filter(isUnproven));
  }
}
