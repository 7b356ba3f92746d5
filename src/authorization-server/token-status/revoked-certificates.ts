import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../events.ts';
import { createRefreshable } from '../../remote/refreshable.ts';
import type { Store } from '../../storage/store.ts';
import type { CheckedCertificate, RevocationKey } from '../../x509/revocation/revocation-pointers.ts';

const KIND = 'RevokedCertificate';
const ALL = Object.freeze({ all: 'yes' });
/** How old may be what a status list is judged by. */
const MAX_AGE_SECONDS = 0.5;
/** As many as the checker of this process remembers by default. */
const MAX_REPORTED = 10_000;

/**
 * Revoked certificates of TPPs, known to every process that shares the store: one finds out, and all lists end the
 * tokens. Revoked for good only: a hold counts where it was seen, so that lifting it needs no agreement.
 */
export interface RevokedCertificates {
  /** Tells the others, again until the store has it. Neither waits nor throws: a request is not to suffer from it. */
  report(found: CheckedCertificate): void;
  /**
   * What any process has reported, less than a second old.
   *
   * @throws ERR_STORAGE_UNAVAILABLE
   */
  read(): Promise<(certificate: RevocationKey) => boolean>;
}

export interface RevokedCertificatesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears once of each certificate that was reported by another process. */
  readonly onLearned?: (certificate: RevocationKey) => void;
}

interface Report {
  /** Nobody may use the certificate, nor a token that is bound to it, after its last day. */
  readonly expiresAt: Date;
  state: 'not shared' | 'sharing' | 'shared';
}

export function createRevokedCertificates(options: RevokedCertificatesOptions): RevokedCertificates {
  const { store, clock, log, onLearned } = options;
  const reports = new LRUCache<string, Report>({ max: MAX_REPORTED });
  let known: ReadonlySet<string> = new Set();
  let isFailing = false;

  const share = async (id: string, report: Report): Promise<void> => {
    report.state = 'sharing';
    try {
      await store.putIfAbsent(KIND, id, { value: null, expiresAt: report.expiresAt, indexes: ALL });
      report.state = 'shared';
      isFailing = false;
    } catch (error) {
      report.state = 'not shared';
      // One line when it begins, not one for each time that it is tried.
      if (!isFailing) log.emit('revocation.unshared', { error });
      isFailing = true;
    }
  };

  /** What the store does not have: it was away, or has lost it. */
  const shareMissing = (): void => {
    const now = clock.now();
    for (const [id, report] of [...reports]) {
      if (report.expiresAt <= now) reports.delete(id);
      else if (!known.has(id) && report.state !== 'sharing') void share(id, report);
    }
  };

  const reading = createRefreshable({
    clock,
    coolDownSeconds: 0,
    read: async () => {
      const before = known;
      known = new Set((await store.listByIndex(KIND, 'all', ALL.all)).map(({ id }) => id));
      for (const id of known) if (!before.has(id) && !reports.has(id)) onLearned?.(keyOf(id));
      shareMissing();
      return known;
    },
  });

  return {
    report({ key, certificate, isEndEntity }) {
      if (!isEndEntity) return;
      const id = idOf(key);
      const report = reports.get(id) ?? { expiresAt: certificate.notAfter, state: 'not shared' };
      if (report.state !== 'not shared') return;
      reports.set(id, report);
      void share(id, report);
    },

    async read() {
      const { value } = await reading.fresh(MAX_AGE_SECONDS);
      return (certificate) => value.has(idOf(certificate));
    },
  };
}

function idOf({ issuerKeyHash, serialNumber }: RevocationKey): string {
  return `${issuerKeyHash}.${serialNumber}`;
}

function keyOf(id: string): RevocationKey {
  const [issuerKeyHash = '', serialNumber = ''] = id.split('.');
  return { issuerKeyHash, serialNumber };
}
