import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import type { Log } from '../events.ts';
import { BackgroundLoop } from '../remote/background-loop.ts';
import type { Store } from '../storage/store.ts';
import type { TppCredential } from './credential.ts';

/** A certificate by which a TPP has proved itself here lately. */
export interface SeenCertificate {
  /** base64url SHA-256, `x5t#S256`. */
  readonly thumbprint: string;
  readonly authorizationNumber: string;
  readonly legalName: string;
  /** The day of the last use, to the first use of that day. */
  readonly seenAt: Date;
  /** The end of the first certificate of its path that ends. */
  readonly notAfter: Date;
  /** DER in base64: the certificate, its CAs, the anchor. */
  readonly chain: readonly string[];
}

/** Without the chain, which is nearly all of a record. */
export type SeenFacts = Omit<SeenCertificate, 'chain'>;

/** A certificate that waits to be written. */
interface Accepted {
  readonly credential: TppCredential;
  readonly legalName: string;
  readonly at: Date;
}

export interface SeenCertificatesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

const KIND = 'SeenCertificate';
const NOTICE = 'CertificateNotice';
const ALL = Object.freeze({ all: 'yes' });
const DAY_SECONDS = 86_400;
const KEPT_DAYS = 90;
/** More TPP certificates than Europe has. */
const MAX_REMEMBERED = 10_000;
/** Certificates, each with its chain, that are read at once: about half a megabyte. */
const PAGE = 100;
/** Certificates that wait to be written. What does not fit is written at the next use. */
const MAX_WAITING = 1000;
/**
 * The time that the first certificate waits for others, which the store then writes together: 106 µs of CPU for each in place of 455 µs,
 * with SQLite and 300 new certificates a second.
 */
const GATHERING_MILLISECONDS = 100;
/** Most certificates that are written together: the serving thread reads the record of each before. */
const GATHERED = 32;
/** A certificate that was not used for so long was replaced. */
const IN_USE_DAYS = 30;
/** Days before the end at which an event is due, the last first. */
const NOTICE_DAYS = [3, 14, 60];
const FIRST_NOTICE_SECONDS = 60;
const NOTICE_SECONDS = 6 * 3600;
const CLOSE_SECONDS = 2;

const record = z.looseObject({
  authorizationNumber: z.string(),
  legalName: z.string(),
  seenAt: z.iso.datetime(),
  notAfter: z.iso.datetime(),
  chain: z.array(z.string()),
});

/**
 * The certificates of TPPs that this server has accepted, in the store: one record a certificate, written at most once
 * a day, after the request that has shown it.
 */
export class SeenCertificates {
  readonly #options: SeenCertificatesOptions;
  /** Thumbprint → the day that is written, or being written. */
  readonly #days = new LRUCache<string, number>({ max: MAX_REMEMBERED });
  readonly #waiting: Accepted[] = [];
  #writing: Promise<void> | undefined;
  #isClosed = false;
  #endPause: (() => void) | undefined;
  #isFailing = false;
  readonly #notices: BackgroundLoop;
  #endsInUse: readonly Date[] | undefined;

  constructor(options: SeenCertificatesOptions) {
    this.#options = options;
    this.#notices = new BackgroundLoop(FIRST_NOTICE_SECONDS, async () => {
      await this.announceEnds().catch((error: unknown) => this.#fail(error));
      return NOTICE_SECONDS;
    });
  }

  /** Takes note of a certificate. Neither waits nor throws: no request depends on it. */
  note(credential: TppCredential, legalName: string): void {
    const { thumbprint } = credential.certificate;
    const now = this.#options.clock.now();
    const day = dayOf(now);
    if (this.#days.get(thumbprint) === day || this.#waiting.length >= MAX_WAITING) return;
    this.#days.set(thumbprint, day);
    this.#waiting.push({ credential, legalName, at: now });
    this.#writing ??= this.#writeWaiting();
  }

  /**
   * The facts of each wanted certificate of the last 90 days, the one that ends first before the others. Chains are in memory for
   * one page of the store at a time.
   *
   * @throws ERR_STORAGE_UNAVAILABLE
   */
  async list(isWanted: (seen: SeenFacts) => boolean = () => true): Promise<readonly SeenFacts[]> {
    const wanted: SeenFacts[] = [];
    for await (const { chain: _chain, ...facts } of this.each()) if (isWanted(facts)) wanted.push(facts);
    return wanted.toSorted((a, b) => a.notAfter.getTime() - b.notAfter.getTime());
  }

  /** One certificate of the last 90 days. @throws ERR_STORAGE_UNAVAILABLE */
  async find(thumbprint: string): Promise<SeenCertificate | undefined> {
    return seenOf(thumbprint, (await this.#options.store.find(KIND, thumbprint))?.value);
  }

  /** Every certificate of the last 90 days, in no order, of which a page is in memory at a time. @throws ERR_STORAGE_UNAVAILABLE */
  async *each(): AsyncGenerator<SeenCertificate> {
    let after: string | undefined;
    do {
      const page = await this.#options.store.listPage(KIND, 'all', ALL.all, { limit: PAGE, after });
      for (const { id, value } of page.records) {
        const seen = seenOf(id, value);
        if (seen !== undefined) yield seen;
      }
      after = page.next;
    } while (after !== undefined);
  }

  /**
   * Emits an event for each certificate in use that ends in 60, 14 or 3 days: once each, over all processes that share
   * the store.
   *
   * @throws ERR_STORAGE_UNAVAILABLE
   */
  async announceEnds(): Promise<void> {
    const { clock, log } = this.#options;
    const now = clock.now().getTime();
    const ends: Date[] = [];
    for await (const seen of this.each()) {
      if (now - seen.seenAt.getTime() > IN_USE_DAYS * DAY_SECONDS * 1000) continue;
      ends.push(seen.notAfter);
      const days = (seen.notAfter.getTime() - now) / (DAY_SECONDS * 1000);
      const due = NOTICE_DAYS.find((one) => days <= one);
      if (days <= 0 || due === undefined || !(await this.#isFirst(seen, due))) continue;
      log.emit('tpp.certificate.ending', {
        authorizationNumber: seen.authorizationNumber,
        certificate: Buffer.from(seen.thumbprint, 'base64url').toString('hex').slice(0, 16),
        count: Math.ceil(days),
        since: seen.notAfter.toISOString(),
      });
    }
    this.#endsInUse = ends;
  }

  /** The ends of the certificates in use, as they were found at the last search for ends; undefined before the first. */
  get endsInUse(): readonly Date[] | undefined {
    return this.#endsInUse;
  }

  /** Waits for the writes that are under way, for two seconds at most: the next use of a certificate makes up for one. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endPause?.();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    // Keeps the process alive: without it, a process whose store stands still would end during the wait.
    const timer = setTimeout(resolve, CLOSE_SECONDS * 1000);
    await Promise.race([Promise.all([this.#notices.close(), this.#writing]), late]);
    clearTimeout(timer);
  }

  /** Notices of more days than are left are not made up for. */
  #isFirst({ thumbprint, notAfter }: SeenCertificate, days: number): Promise<boolean> {
    return this.#options.store.putIfAbsent(NOTICE, `${thumbprint}.${days}`, {
      value: null,
      expiresAt: new Date(notAfter.getTime() + DAY_SECONDS * 1000),
    });
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (this.#waiting.length < GATHERED) await this.#pause();
      await Promise.all(this.#waiting.splice(0, GATHERED).map((one) => this.#write(one)));
    }
    this.#writing = undefined;
  }

  async #pause(): Promise<void> {
    if (this.#isClosed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, GATHERING_MILLISECONDS).unref();
    this.#endPause = resolve;
    await promise;
    clearTimeout(timer);
  }

  async #write({ credential, legalName, at: now }: Accepted): Promise<void> {
    const { certificate, path, authorizationNumber } = credential;
    const { store } = this.#options;
    const { thumbprint } = certificate;
    try {
      const { data: before } = record.safeParse((await store.find(KIND, thumbprint))?.value);
      if (before !== undefined && dayOf(new Date(before.seenAt)) === dayOf(now)) return;
      await store.put(KIND, thumbprint, {
        value: {
          authorizationNumber,
          legalName,
          seenAt: now.toISOString(),
          notAfter: path.notAfter.toISOString(),
          chain: path.certificates.map(({ der }) => der.toString('base64')),
        },
        expiresAt: new Date(now.getTime() + KEPT_DAYS * DAY_SECONDS * 1000),
        indexes: ALL,
      });
      this.#isFailing = false;
    } catch (error) {
      this.#days.delete(thumbprint);
      this.#fail(error);
    }
  }

  /** One line when a failure begins, not one for each attempt. */
  #fail(error: unknown): void {
    if (!this.#isFailing) this.#options.log.emit('tpp.certificate.unrecorded', { error });
    this.#isFailing = true;
  }
}

function seenOf(thumbprint: string, value: unknown): SeenCertificate | undefined {
  const { data } = record.safeParse(value);
  if (data === undefined) return undefined;
  const { authorizationNumber, legalName, seenAt, notAfter, chain } = data;
  const times = { seenAt: new Date(seenAt), notAfter: new Date(notAfter) };
  return { thumbprint, authorizationNumber, legalName, ...times, chain };
}

function dayOf(at: Date): number {
  return Math.floor(at.getTime() / (DAY_SECONDS * 1000));
}
