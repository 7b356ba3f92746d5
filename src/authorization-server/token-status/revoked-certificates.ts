import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../events.ts';
import { createRefreshable, type Refreshable } from '../../remote/refreshable.ts';
import type { Store } from '../../storage/store.ts';
import type { CheckedCertificate, RevocationKey } from '../../x509/revocation/revocation-pointers.ts';

const KIND = 'RevokedCertificate';
const ALL = Object.freeze({ all: 'yes' });
/** How old the reports may be by which a status list is decided. */
const MAX_AGE_SECONDS = 0.5;
/** As many as the checker of this process remembers by default. */
const MAX_REPORTED = 10_000;

export interface RevokedCertificatesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Called once for each certificate that another process has reported. */
  readonly onLearned?: (certificate: RevocationKey) => void;
}

interface Report {
  /** After the last day of the certificate neither it nor a token that is bound to it can be used. */
  readonly expiresAt: Date;
  state: 'not shared' | 'sharing' | 'shared';
}

/**
 * Revoked certificates of TPPs, known to every process that shares the store: one process reports, and all lists end
 * the tokens. Only revocations for good are reported: a hold counts in the process that has found it, so that lifting it
 * needs no agreement.
 */
export class RevokedCertificates {
  readonly #options: RevokedCertificatesOptions;
  readonly #reports = new LRUCache<string, Report>({ max: MAX_REPORTED });
  /** Identifiers that the store has, as last read. */
  #known: ReadonlySet<string> = new Set();
  #isFailing = false;
  readonly #reading: Refreshable<ReadonlySet<string>>;

  constructor(options: RevokedCertificatesOptions) {
    this.#options = options;
    this.#reading = createRefreshable({
      clock: options.clock,
      coolDownSeconds: 0,
      read: () => this.#readKnown(),
    });
  }

  /**
   * Writes a revocation to the store, and repeats the write until the store has it. Neither waits nor throws: the request
   * that has found the revocation does not depend on the store.
   */
  report({ key, certificate, isEndEntity }: CheckedCertificate): void {
    if (!isEndEntity) return;
    const id = idOf(key);
    const report = this.#reports.get(id) ?? { expiresAt: certificate.notAfter, state: 'not shared' };
    if (report.state !== 'not shared') return;
    this.#reports.set(id, report);
    void this.#share(id, report);
  }

  /**
   * Whether a certificate is reported by any process, as known less than a second ago.
   *
   * @throws ERR_STORAGE_UNAVAILABLE
   */
  async read(): Promise<(certificate: RevocationKey) => boolean> {
    const { value } = await this.#reading.fresh(MAX_AGE_SECONDS);
    return (certificate) => value.has(idOf(certificate));
  }

  async #readKnown(): Promise<ReadonlySet<string>> {
    const { store, onLearned } = this.#options;
    const before = this.#known;
    const known = new Set((await store.listByIndex(KIND, 'all', ALL.all)).map(({ id }) => id));
    this.#known = known;
    for (const id of known) if (!before.has(id) && !this.#reports.has(id)) onLearned?.(keyOf(id));
    this.#shareMissing();
    return known;
  }

  /** Repeats the reports that the store does not have: it was away, or has lost them. */
  #shareMissing(): void {
    const now = this.#options.clock.now();
    for (const [id, report] of [...this.#reports]) {
      if (report.expiresAt <= now) this.#reports.delete(id);
      else if (!this.#known.has(id) && report.state !== 'sharing') void this.#share(id, report);
    }
  }

  async #share(id: string, report: Report): Promise<void> {
    const { store, log } = this.#options;
    report.state = 'sharing';
    try {
      await store.putIfAbsent(KIND, id, { value: null, expiresAt: report.expiresAt, indexes: ALL });
      report.state = 'shared';
      this.#isFailing = false;
    } catch (error) {
      report.state = 'not shared';
      // One line when a failure begins, not one for each attempt.
      if (!this.#isFailing) log.emit('revocation.unshared', { error });
      this.#isFailing = true;
    }
  }
}

function idOf({ issuerKeyHash, serialNumber }: RevocationKey): string {
  return `${issuerKeyHash}.${serialNumber}`;
}

function keyOf(id: string): RevocationKey {
  const [issuerKeyHash = '', serialNumber = ''] = id.split('.');
  return { issuerKeyHash, serialNumber };
}
