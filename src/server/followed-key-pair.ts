import type { Clock } from '../clock.ts';
import { readRequired, unreadable } from '../configuration/configured-files.ts';
import type { Log } from '../events.ts';
import { type FollowedFile, openFollowedFile } from '../files/followed-file.ts';
import { type KeyPair, type KeyType, parseKeyPair } from '../mutual-tls/key-pair.ts';
import type { HealthPart } from './health.ts';
import { BackgroundLoop } from '../remote/background-loop.ts';

export interface FollowedKeyPairOptions {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  /** PEM of issuers that the certificate file may lack; read once. */
  readonly issuersFile?: string | undefined;
  /** The type that the key must not have. Default: none. */
  readonly otherType?: () => KeyType | undefined;
  /** The field of the configuration above the files, such as `tls`. */
  readonly place: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Interval of polls. Default 5. */
  readonly pollSeconds?: number;
}

const CHECK_SECONDS = 12 * 3600;
const DAY_SECONDS = 86_400;
/** Two weeks: a missed renewal still leaves time for the ways of a bank. */
const NOTICE_SECONDS = 14 * DAY_SECONDS;
/** The end is reported once from 30 days on, and at each check from 7 days on. */
const FIRST_REPORT_SECONDS = 30 * DAY_SECONDS;
const EACH_REPORT_SECONDS = 7 * DAY_SECONDS;

/**
 * A certificate and its key, read again when one of the two files changes. The two may be written one after the other:
 * until they belong together, and while a new certificate is not valid, the last good pair stays.
 */
export class FollowedKeyPair {
  readonly #options: FollowedKeyPairOptions;
  readonly #takers: ((pair: KeyPair) => void)[] = [];
  readonly #file: FollowedFile<KeyPair>;
  readonly #expiry: BackgroundLoop;
  #reportedEnd: number | undefined;

  /** @throws ERR_CONFIG_INVALID when a file is missing, or the two make no valid pair */
  static async open(options: FollowedKeyPairOptions): Promise<FollowedKeyPair> {
    const { certificateFile, privateKeyFile, place, clock, log, pollSeconds } = options;
    const takers: ((pair: KeyPair) => void)[] = [];
    const { issuersFile } = options;
    const issuersPem =
      issuersFile === undefined ? '' : await readRequired(issuersFile, `${place}.issuersFile`);
    const file = await openFollowedFile<KeyPair>({
      file: certificateFile,
      secondFile: privateKeyFile,
      privateFile: { path: `${place}.privateKeyFile`, file: privateKeyFile },
      name: 'key-pair',
      log,
      pollSeconds,
      parse: (certificatePem, privateKeyPem) =>
        parseKeyPair(certificatePem, privateKeyPem, {
          ...options,
          issuersPem,
          at: clock.now(),
          otherType: options.otherType?.(),
        }),
      unreadable: (cause) => {
        const field = cause.path === privateKeyFile ? 'privateKeyFile' : 'certificateFile';
        return unreadable(options[field], `${place}.${field}`, cause);
      },
      onChange: (pair) => {
        reportChain(options, pair);
        for (const take of takers) take(pair);
      },
    });
    reportChain(options, file.current);
    return new FollowedKeyPair(options, file, takers);
  }

  private constructor(
    options: FollowedKeyPairOptions,
    file: FollowedFile<KeyPair>,
    takers: ((pair: KeyPair) => void)[],
  ) {
    this.#options = options;
    this.#file = file;
    this.#takers = takers;
    this.#expiry = new BackgroundLoop(0, async () => {
      this.#reportExpiry();
      return CHECK_SECONDS;
    });
  }

  /** The field of the configuration above the files. */
  get place(): string {
    return this.#options.place;
  }

  get certificateFile(): string {
    return this.#options.certificateFile;
  }

  get current(): KeyPair {
    return this.#file.current;
  }

  /** Seconds until the certificate in use expires; negative afterwards. */
  get secondsLeft(): number {
    return (this.#file.current.notAfter.getTime() - this.#options.clock.now().getTime()) / 1000;
  }

  /** Whether newer files were refused, so that an earlier pair is in use. */
  get isOutdated(): boolean {
    return this.#file.isBad;
  }

  /** The part of the health: not in order only when the certificate in use has expired. */
  health(): HealthPart {
    if (this.secondsLeft <= 0) return { name: 'certificate', problem: 'has expired' };
    if (this.isOutdated)
      return { name: 'certificate', notice: 'newer files are bad; the last good pair is in use' };
    const isEnding = this.secondsLeft < NOTICE_SECONDS;
    return { name: 'certificate', ...(isEnding ? { notice: 'expires in less than two weeks' } : {}) };
  }

  /** Calls `take` with each new pair. */
  follow(take: (pair: KeyPair) => void): void {
    this.#takers.push(take);
  }

  async close(): Promise<void> {
    await Promise.all([this.#file.close(), this.#expiry.close()]);
  }

  #reportExpiry(): void {
    const { certificateFile: file, log } = this.#options;
    const { secondsLeft } = this;
    const end = this.current.notAfter.getTime();
    const isReported = this.#reportedEnd === end && secondsLeft > EACH_REPORT_SECONDS;
    if (secondsLeft > FIRST_REPORT_SECONDS || isReported) return;
    this.#reportedEnd = end;
    log.emit('key-pair.expiring', { file, seconds: Math.max(Math.floor(secondsLeft), 0) });
  }
}

function reportChain({ certificateFile, place, log }: FollowedKeyPairOptions, pair: KeyPair): void {
  if (pair.chainProblems.length === 0) return;
  const path = `${place}.certificateFile`;
  const problems = pair.chainProblems.map((message) => ({ path, message }));
  log.emit('key-pair.chain', { file: certificateFile, problems });
}
