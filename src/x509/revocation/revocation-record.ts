import type { Log } from '../../events.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import { type AnswerSources, askForAnswers, recallAnswers } from './revocation-answer.ts';
import type { CheckedCertificate } from './revocation-pointers.ts';
import type { RevocationPolicy } from './revocation-policy.ts';
import { invalidEvidence, isUnproven, type ProvenStatus, type UnprovenStatus } from './revocation-refusal.ts';

export interface RevocationSources extends AnswerSources {
  readonly log: Log;
  /** Called with a certificate that is revoked for good, each time that a path contains it. */
  readonly onRevoked: (found: CheckedCertificate) => void;
  readonly coolDownSeconds: number;
}

type Revoked = Extract<ProvenStatus, { readonly status: 'revoked' }>;
type Good = Extract<ProvenStatus, { readonly status: 'good' }>;
type Verdict = Revoked | { readonly status: 'good'; readonly until: number };

/**
 * The status of one certificate. At most one question is under way; the next is asked before the last answer ends, and
 * after a failure not before the cool-down. An older answer never replaces a newer one, and a certificate that is
 * revoked for good stays revoked.
 */
export class RevocationRecord {
  readonly about: CheckedCertificate;
  policy: RevocationPolicy;
  verdict: Verdict | undefined;
  /** Milliseconds since the epoch, as all times of this class. */
  refreshAt = Number.POSITIVE_INFINITY;
  usedAt = 0;
  isForgotten = false;
  readonly #sources: RevocationSources;
  #newestOcsp = 0;
  #checkedAt: number | undefined;
  #failure: { readonly error: UnprovenStatus; readonly until: number } | undefined;
  readonly #questions = new SingleFlight<UnprovenStatus | undefined>();

  constructor(about: CheckedCertificate, policy: RevocationPolicy, sources: RevocationSources) {
    this.about = about;
    this.policy = policy;
    this.#sources = sources;
  }

  get isBusy(): boolean {
    return !this.#questions.isIdle;
  }

  /** Sets the verdict from kept answers or by asking the sources; resolves to the reason when neither proves one. */
  settle(): Promise<UnprovenStatus | undefined> {
    const { until, error } = this.#failure ?? { until: 0 };
    if (error !== undefined && this.#now() < until) return Promise.resolve(error);
    return this.#questions.run(async () => {
      if (this.#checkedAt === undefined && (await this.#recall())) return undefined;
      return this.#ask();
    });
  }

  /** Asks the sources again. A failure is kept for the next `settle`. */
  async refresh(): Promise<void> {
    await this.#questions.run(() => this.#ask());
  }

  /** Makes a good answer due: the next tick asks for a new one, after the question that may be under way. */
  makeDue(): void {
    if (this.isBusy) void this.#questions.settled().then(() => this.makeDue());
    else if (this.verdict?.status === 'good') this.refreshAt = this.#now();
  }

  /** Reports a certificate that is revoked for good to `onRevoked`; no effect for any other. */
  reportRevoked(): void {
    const { verdict } = this;
    if (verdict?.status === 'revoked' && verdict.reason !== 'certificateHold')
      this.#sources.onRevoked(this.about);
  }

  async #recall(): Promise<boolean> {
    const found = await recallAnswers(this.about, this.policy, this.#sources);
    if (found.length === 0) return false;
    this.#accept(found);
    this.refreshAt = this.#now();
    return true;
  }

  async #ask(): Promise<UnprovenStatus | undefined> {
    const { log, coolDownSeconds } = this.#sources;
    const startedAt = performance.now();
    const answered = (outcome: string) =>
      log.emit('revocation.answered', { outcome, seconds: (performance.now() - startedAt) / 1000 });
    try {
      const status = await this.#answer();
      this.#failure = undefined;
      this.#checkedAt = this.#now();
      answered(status.status);
      return undefined;
    } catch (error) {
      if (!isUnproven(error)) throw error;
      const now = this.#now();
      // One line when the failures begin, not one for each attempt.
      if (this.#failure === undefined) log.emit('revocation.unknown', { error });
      const outcome = error.code === 'ERR_CERT_REVOCATION_INVALID' ? 'invalid' : 'unavailable';
      answered(outcome);
      this.#failure = { error, until: now + coolDownSeconds * 1000 };
      this.refreshAt = now + coolDownSeconds * 1000;
      return error;
    }
  }

  async #answer(): Promise<ProvenStatus> {
    const sinceLastTime =
      this.#checkedAt === undefined ? Number.POSITIVE_INFINITY : this.#now() - this.#checkedAt;
    return askForAnswers(this.about, this.policy, {
      sources: this.#sources,
      maxAgeSeconds: Math.min(sinceLastTime / 1000, this.policy.refreshSeconds / 2),
      accept: (found) => this.#accept(found),
    });
  }

  /**
   * Accepts proven statuses that belong together, unless the known one is final.
   *
   * @throws ERR_CERT_REVOCATION_INVALID when a newer status is known
   */
  #accept(found: readonly ProvenStatus[]): ProvenStatus {
    const known = this.verdict;
    if (known?.status === 'revoked' && known.reason !== 'certificateHold') return known;
    const revoked = found.find((one) => one.status === 'revoked');
    if (revoked !== undefined) return this.#acceptRevoked(revoked);
    const good = found.filter((one) => one.status === 'good');
    this.#refuseOlder(good);
    const [first] = good.toSorted((one, other) => this.#endOf(one) - this.#endOf(other));
    if (first === undefined) throw new TypeError('there is no status to accept');
    const until = this.#endOf(first);
    this.verdict = { status: 'good', until };
    this.refreshAt = this.#nextRefresh(first.source, until);
    return first;
  }

  /** Refuses an OCSP answer older than one that was seen, and a good status older than the hold that it would lift. */
  #refuseOlder(good: readonly Good[]): void {
    const held = this.verdict?.status === 'revoked' ? this.verdict.revokedAt.getTime() : 0;
    for (const { source, thisUpdate } of good) {
      const oldest = Math.max(held, source === 'ocsp' ? this.#newestOcsp : 0);
      if (thisUpdate.getTime() < oldest) {
        throw invalidEvidence(
          this.about.certificate,
          `${source}: the answer is older than one that was seen`,
        );
      }
      if (source === 'ocsp') this.#newestOcsp = thisUpdate.getTime();
    }
  }

  #acceptRevoked(status: Revoked): ProvenStatus {
    if (this.verdict?.status !== 'revoked') {
      const { serialNumber: certificateSerial } = this.about.certificate;
      this.#sources.log.emit('revocation.revoked', { certificateSerial });
    }
    this.verdict = status;
    const isFinal = status.reason !== 'certificateHold';
    this.refreshAt = isFinal ? Number.POSITIVE_INFINITY : this.#now() + this.policy.refreshSeconds * 1000;
    this.reportRevoked();
    return status;
  }

  /**
   * After the policy's interval, and at the latest half-way to the end of the answer, so that there is time for failed
   * attempts; towards the end not more often than after a failure. A list counts half the interval, since another
   * certificate may have had it fetched earlier.
   */
  #nextRefresh(source: ProvenStatus['source'], until: number): number {
    const now = this.#now();
    const left = until - now;
    const usual = this.policy.refreshSeconds * (source === 'crl' ? 500 : 1000);
    const ahead = Math.max(left / 2, Math.min(this.#sources.coolDownSeconds * 1000, left));
    return now + Math.min(usual, ahead);
  }

  #endOf({ thisUpdate, nextUpdate }: Good): number {
    return nextUpdate?.getTime() ?? thisUpdate.getTime() + (this.policy.crlMaxAgeSeconds ?? 0) * 1000;
  }

  #now(): number {
    return this.#sources.clock.now().getTime();
  }
}
