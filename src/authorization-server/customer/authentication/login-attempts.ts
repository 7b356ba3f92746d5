import type { Clock } from '../../../clock.ts';
import { identifierHash } from '../../../storage/record-protection.ts';
import type { Store } from '../../../storage/store.ts';

export interface LoginAttemptsOptions {
  readonly store: Pick<Store, 'putIfAbsent' | 'deleteAll'>;
  readonly clock: Clock;
  /** Keys the hashes of names; 32 bytes. */
  readonly secret: Buffer;
}

/**
 * Of one customer name, or of one known customer, in all authorizations; of one authorization, under all names; messages that
 * one customer is sent.
 */
type Subject = 'customer' | 'psu' | 'interaction' | 'message';

/** An attempt that is counted. */
export interface LoginAttempt {
  /** Identifier of its record. */
  readonly id: string;
  /** Whether no further attempt is open, unless this one is taken back. */
  readonly isLast: boolean;
}

const KIND = 'LoginAttempt';
/** RTS on strong customer authentication article 4(3)(b): at most five failed attempts, then a block. */
const MAX_ATTEMPTS = 5;
const SECONDS = 15 * 60;
/** Differences between two spellings of a name that a bank may ignore. */
const IGNORED = /[\p{C}\p{Z}]/gu;

/**
 * Counts attempts to log in, for all processes that share the store. Each subject has five places, and an attempt takes
 * a free place for 15 minutes: one caller only gets a place. An attempt is counted before the bank is asked, so
 * parallel guesses share the places too. Names are stored as keyed hashes, five records at most for each.
 *
 * Addresses are not counted: customers of one mobile network share them, and a proxy may hide them. An authorization
 * begins with a request that a TPP has pushed with its certificate, which bounds the number of names that can be tried.
 */
export class LoginAttempts {
  readonly #options: LoginAttemptsOptions;
  readonly #hash: (kind: string, id: string) => string;

  constructor(options: LoginAttemptsOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
  }

  /** Counts an attempt; undefined when too many have failed. @throws ERR_STORAGE_UNAVAILABLE */
  async begin(subject: Subject, name: string): Promise<LoginAttempt | undefined> {
    const { store, clock } = this.#options;
    const expiresAt = new Date(clock.now().getTime() + SECONDS * 1000);
    for (const [at, id] of this.#placesOf(subject, name).entries()) {
      if (await store.putIfAbsent(KIND, id, { value: null, expiresAt })) {
        return { id, isLast: at === MAX_ATTEMPTS - 1 };
      }
    }
    return undefined;
  }

  /** The attempt has not failed: the bank did not answer, or asks for the next step. */
  async takeBack(attempts: readonly LoginAttempt[]): Promise<void> {
    const ids = attempts.map(({ id }) => id);
    await this.#options.store.deleteAll(KIND, ids);
  }

  /** Ends the counts of a customer who has logged in, as far as each name is known. */
  async forget(
    counted: readonly { readonly subject: Subject; readonly name: string | undefined }[],
  ): Promise<void> {
    const ids = counted.flatMap(({ subject, name }) =>
      name === undefined ? [] : this.#placesOf(subject, name),
    );
    await this.#options.store.deleteAll(KIND, ids);
  }

  #placesOf(subject: Subject, name: string): readonly string[] {
    const spelling =
      subject === 'customer' ? name.normalize('NFKC').toLowerCase().replace(IGNORED, '') : name;
    const hash = this.#hash(`${KIND} ${subject}`, spelling);
    return Array.from({ length: MAX_ATTEMPTS }, (_, at) => `${hash}.${at}`);
  }
}
