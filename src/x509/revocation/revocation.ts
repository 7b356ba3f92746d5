import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../events.ts';
import type { Certificate } from '../certificate/certificate.ts';
import { shownName } from '../certificate/distinguished-name.ts';
import { CrlIndexer } from '../crl/crl-indexer.ts';
import { CrlCache } from './crl-cache.ts';
import { OcspClient } from './ocsp-client.ts';
import type { VerifiedPath } from '../path/path.ts';
import { RevocationIo, type RevocationIoOptions } from './revocation-io.ts';
import { type CheckedCertificate, checkedCertificates, type RevocationKey } from './revocation-pointers.ts';
import type { RevocationPolicy } from './revocation-policy.ts';
import { RevocationRecord, type RevocationSources } from './revocation-record.ts';
import { isUnproven, noEvidence, revoked, type UnprovenStatus } from './revocation-refusal.ts';

export { type RevocationPin, type RevocationPolicy, STRICT_REVOCATION } from './revocation-policy.ts';

export interface RevocationOptions {
  readonly io: RevocationIo;
  readonly indexer: CrlIndexer;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a source that failed gets no request. Default 15. */
  readonly coolDownSeconds?: number;
  /** How often due answers are looked for. Default 1. */
  readonly tickSeconds?: number;
  /** Certificates whose status is cached. Default 10000. */
  readonly maxCertificates?: number;
}

/** Whether the certificates of paths are revoked. */
export interface Revocation {
  /**
   * Proves that no certificate of the path is revoked. When every status is cached the result is synchronous:
   * undefined, or a throw.
   *
   * @throws ERR_CERT_REVOKED, ERR_CERT_REVOCATION_INVALID, ERR_CERT_REVOCATION_UNAVAILABLE
   */
  check(path: VerifiedPath, policy: RevocationPolicy): Promise<void> | undefined;
  /** Whether a certificate that was checked before has been found revoked since. Sends no request. */
  isKnownRevoked(one: Certificate | RevocationKey): boolean;
  /** Sets the one listener for certificates that are revoked for good (no hold), called each time a path has one. */
  onRevoked(listener: (found: CheckedCertificate) => void): void;
  /** Makes the next tick ask again about a certificate that is known as good, since another process reports it. */
  askAgain(one: RevocationKey): void;
  /** The certificate revocation lists in memory. */
  readonly crls: readonly HeldCrl[];
  close(): Promise<void>;
}

export interface HeldCrl {
  readonly issuer: string;
  readonly nextUpdate: Date | undefined;
  readonly count: number;
}

/** Refreshes at the same time: more would be a burst. */
const MAX_REFRESHES = 64;
/** Of one issuer, so that the certificates of others are refreshed also while its responder hangs. */
const MAX_REFRESHES_OF_ISSUER = 16;
/** Certificates that were not used for so long are not refreshed. */
const IDLE_SECONDS = 86_400;

/** A checker with its own network clients, folder and indexer, closed with it. */
export function openRevocation(
  options: Omit<RevocationOptions, 'io' | 'indexer'> & RevocationIoOptions,
): Revocation {
  return createRevocation({ ...options, io: new RevocationIo(options), indexer: new CrlIndexer() });
}

export function createRevocation(options: RevocationOptions): Revocation {
  return new RevocationChecker(options);
}

interface CheckedPath {
  readonly policy: RevocationPolicy;
  readonly records: readonly RevocationRecord[];
}

class RevocationChecker implements Revocation {
  readonly #options: RevocationOptions;
  readonly #sources: RevocationSources;
  readonly #crls: CrlCache;
  readonly #records: LRUCache<string, RevocationRecord>;
  readonly #paths = new WeakMap<VerifiedPath, CheckedPath>();
  readonly #certificates = new WeakMap<Certificate, RevocationRecord>();
  readonly #timer: NodeJS.Timeout;
  #listener: ((found: CheckedCertificate) => void) | undefined;
  /** Refreshes that are under way, by the key hash of the issuer. */
  readonly #refreshes = new Map<string, number>();
  #isClosed = false;

  constructor(options: RevocationOptions) {
    const { io, clock, log, coolDownSeconds = 15 } = options;
    this.#options = options;
    this.#records = new LRUCache({
      max: options.maxCertificates ?? 10_000,
      dispose: (record) => {
        record.isForgotten = true;
      },
    });
    const crls = new CrlCache({ ...options, coolDownSeconds });
    this.#crls = crls;
    const ocsp = new OcspClient({
      io,
      clock,
      log,
      delegateStatus: async (delegate, about, policy) => {
        try {
          return await crls.ask(
            { ...about, certificate: delegate, isEndEntity: true },
            policy,
            policy.refreshSeconds,
          );
        } catch (error) {
          if (isUnproven(error)) return undefined;
          throw error;
        }
      },
    });
    const onRevoked = (found: CheckedCertificate) => this.#listener?.(found);
    this.#sources = { ocsp, crls, clock, log, onRevoked, coolDownSeconds };
    this.#timer = setInterval(() => this.#refreshDue(), (options.tickSeconds ?? 1) * 1000);
    this.#timer.unref();
  }

  check(path: VerifiedPath, policy: RevocationPolicy): Promise<void> | undefined {
    if (policy.mode === 'none') return undefined;
    const now = this.#options.clock.now().getTime();
    let unsettled: RevocationRecord[] | undefined;
    for (const record of this.#recordsOf(path, policy)) {
      this.#touch(record, now);
      const { verdict } = record;
      if (verdict?.status === 'revoked') {
        record.reportRevoked();
        throw revoked(record.about.certificate, verdict);
      }
      if (verdict === undefined || !(now <= verdict.until + policy.graceSeconds * 1000)) {
        unsettled ??= [];
        unsettled.push(record);
      }
    }
    return unsettled === undefined ? undefined : this.#settle(unsettled, policy);
  }

  isKnownRevoked(one: Certificate | RevocationKey): boolean {
    const record = 'der' in one ? this.#certificates.get(one) : this.#records.get(nameOf(one));
    return record?.verdict?.status === 'revoked';
  }

  askAgain(one: RevocationKey): void {
    this.#records.get(nameOf(one))?.makeDue();
  }

  get crls(): readonly HeldCrl[] {
    return this.#crls.held.map(({ issuer, nextUpdate, count }) => ({
      issuer: shownName(issuer),
      nextUpdate,
      count,
    }));
  }

  onRevoked(listener: (found: CheckedCertificate) => void): void {
    this.#listener = listener;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#isClosed = true;
    await Promise.all([this.#options.io.close(), this.#options.indexer.close()]);
  }

  #refreshDue(): void {
    const now = this.#options.clock.now().getTime();
    for (const record of this.#records.values()) {
      const { issuerKeyHash } = record.about.key;
      const ofIssuer = this.#refreshes.get(issuerKeyHash) ?? 0;
      if (this.#refreshCount() >= MAX_REFRESHES) return;
      if (ofIssuer >= MAX_REFRESHES_OF_ISSUER) continue;
      if (now < record.refreshAt || now - record.usedAt > IDLE_SECONDS * 1000 || record.isBusy) continue;
      this.#countRefresh(issuerKeyHash, 1);
      void record
        .refresh()
        .catch((error: unknown) => {
          // `close` cuts off refreshes that are under way.
          if (!this.#isClosed) this.#options.log.emit('revocation.fault', { error });
        })
        .finally(() => this.#countRefresh(issuerKeyHash, -1));
    }
  }

  #refreshCount(): number {
    return this.#refreshes.values().reduce((sum, count) => sum + count, 0);
  }

  #countRefresh(issuerKeyHash: string, change: 1 | -1): void {
    const count = (this.#refreshes.get(issuerKeyHash) ?? 0) + change;
    if (count === 0) this.#refreshes.delete(issuerKeyHash);
    else this.#refreshes.set(issuerKeyHash, count);
  }

  #recordsOf(path: VerifiedPath, policy: RevocationPolicy): readonly RevocationRecord[] {
    const known = this.#paths.get(path);
    if (known?.policy === policy && known.records.every(({ isForgotten }) => !isForgotten))
      return known.records;
    const records = checkedCertificates(path).map((about) => {
      const name = nameOf(about.key);
      const record = this.#records.get(name) ?? new RevocationRecord(about, policy, this.#sources);
      this.#records.set(name, record);
      this.#certificates.set(about.certificate, record);
      record.policy = policy;
      return record;
    });
    this.#paths.set(path, { policy, records });
    return records;
  }

  /** Notes that a record is in use, once a minute at most. */
  #touch(record: RevocationRecord, now: number): void {
    if (now - record.usedAt < 60_000) return;
    record.usedAt = now;
    this.#records.get(nameOf(record.about.key));
  }

  /** Waits for the missing statuses within the budget of a request. Revoked weighs most, then bad evidence. */
  async #settle(records: readonly RevocationRecord[], policy: RevocationPolicy): Promise<void> {
    const limit = deadline(policy.budgetSeconds);
    const outcomes = await Promise.all(
      records.map((record) => Promise.race([record.settle(), limit.passed.then(() => lateFor(record))])),
    );
    limit.clear();
    for (const [index, { verdict }] of records.entries()) {
      const certificate = records[index]?.about.certificate;
      if (verdict?.status === 'revoked' && certificate !== undefined) throw revoked(certificate, verdict);
    }
    const problems = outcomes.flatMap((outcome) => outcome ?? []);
    const worst = problems.find(({ code }) => code === 'ERR_CERT_REVOCATION_INVALID') ?? problems[0];
    if (worst === undefined) return;
    if (policy.whenUnknown === 'refuse') throw worst;
    this.#options.log.emit('revocation.unknown.accepted', { error: worst });
  }
}

function nameOf({ issuerKeyHash, serialNumber }: RevocationKey): string {
  return `${issuerKeyHash} ${serialNumber}`;
}

function lateFor({ about }: RevocationRecord): UnprovenStatus {
  return noEvidence(about.certificate, 'no answer in time');
}

function deadline(seconds: number) {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, seconds * 1000);
  });
  return { passed, clear: () => clearTimeout(timer) };
}
