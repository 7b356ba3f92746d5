import type { Log } from '../../events.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import { type AnswerSources, askForAnswers, recallAnswers } from './revocation-answer.ts';
import type { CheckedCertificate } from './revocation-pointers.ts';
import type { RevocationPolicy } from './revocation-policy.ts';
import { invalidEvidence, isUnproven, type ProvenStatus, type UnprovenStatus } from './revocation-refusal.ts';

export interface RevocationSources extends AnswerSources {
  readonly log: Log;
  /** Hears of every certificate that is revoked for good, each time that it is met. */
  readonly onRevoked: (found: CheckedCertificate) => void;
  readonly coolDownSeconds: number;
}

type Revoked = Extract<ProvenStatus, { readonly status: 'revoked' }>;
type Good = Extract<ProvenStatus, { readonly status: 'good' }>;
type Verdict = Revoked | { readonly status: 'good'; readonly until: number };

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

  /** Makes the verdict known, from memory of a former run or by asking; resolves to what stood in the way. */
  settle(): Promise<UnprovenStatus | undefined> {
    const { until, error } = this.#failure ?? { until: 0 };
    if (error !== undefined && this.#now() < until) return Promise.resolve(error);
    return this.#questions.run(async () => {
      if (this.#checkedAt === undefined && (await this.#recall())) return undefined;
      return this.#ask();
    });
  }

  /** Asks anew. A failure is kept for who needs the answer. */
  async refresh(): Promise<void> {
    await this.#questions.run(() => this.#ask());
  }

  /** Has a good answer asked for anew at the next look, unless one is being asked for. */
  makeDue(): void {
    if (this.verdict?.status === 'good') this.refreshAt = this.#now();
  }

  /** Says, again, that the certificate is revoked for good. */
  announce(): void {
    const { verdict } = this;
    if (verdict?.status === 'revoked' && verdict.reason !== 'certificateHold')
      this.#sources.onRevoked(this.about);
  }

  async #recall(): Promise<boolean> {
    const found = await recallAnswers(this.about, this.policy, this.#sources);
    if (found.length === 0) return false;
    this.#take(found);
    this.refreshAt = this.#now();
    return true;
  }

  async #ask(): Promise<UnprovenStatus | undefined> {
    const { log, coolDownSeconds } = this.#sources;
    try {
      const status = await this.#answer();
      this.#failure = undefined;
      this.#checkedAt = this.#now();
      log.emit('revocation.answered', { outcome: status.status });
      return undefined;
    } catch (error) {
      if (!isUnproven(error)) throw error;
      const now = this.#now();
      // One line when it begins, not one for each time that it is tried.
      if (this.#failure === undefined) log.emit('revocation.unknown', { error });
      const outcome = error.code === 'ERR_CERT_REVOCATION_INVALID' ? 'invalid' : 'unavailable';
      log.emit('revocation.answered', { outcome });
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
      take: (found) => this.#take(found),
    });
  }

  /** Takes proven statuses in that hold together, unless newer ones or a final one is there. */
  #take(found: readonly ProvenStatus[]): ProvenStatus {
    const known = this.verdict;
    if (known?.status === 'revoked' && known.reason !== 'certificateHold') return known;
    const revoked = found.find((one) => one.status === 'revoked');
    if (revoked !== undefined) return this.#takeRevoked(revoked);
    const good = found.filter((one) => one.status === 'good');
    this.#refuseOlder(good);
    const [first] = good.toSorted((one, other) => this.#endOf(one) - this.#endOf(other));
    if (first === undefined) throw new TypeError('there is no status to take');
    const until = this.#endOf(first);
    this.verdict = { status: 'good', until };
    this.refreshAt = this.#nextRefresh(first.source, until);
    return first;
  }

  /** Neither an OCSP answer older than one that was seen, nor anything from before the hold that it would lift. */
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

  #takeRevoked(status: Revoked): ProvenStatus {
    if (this.verdict?.status !== 'revoked') {
      const { serialNumber: certificateSerial } = this.about.certificate;
      this.#sources.log.emit('revocation.revoked', { certificateSerial });
    }
    this.verdict = status;
    const isFinal = status.reason !== 'certificateHold';
    this.refreshAt = isFinal ? Number.POSITIVE_INFINITY : this.#now() + this.policy.refreshSeconds * 1000;
    this.announce();
    return status;
  }

  /**
   * As often as the policy says, and half-way to the end of the answer, so that there is time to fail in; towards the
   * end not more often than a failure would be tried again. A list may be half its time old already, when another
   * certificate had it fetched.
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
