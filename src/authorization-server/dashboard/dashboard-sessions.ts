import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { identifierHash, PayloadEncryption } from '../../storage/record-protection.ts';
import type { Store } from '../../storage/store.ts';

export interface DashboardSessionsOptions {
  readonly store: Pick<Store, 'find' | 'putIfAbsent' | 'replace' | 'delete'>;
  readonly clock: Clock;
  /** Keys the hashes of identifiers and the encryption of sessions; 32 bytes. */
  readonly secret: Buffer;
}

/** A customer who has logged in to the dashboard. */
export interface DashboardSession {
  readonly psuId: string;
  /** RFC 3339. */
  readonly begunAt: string;
}

const KIND = 'DashboardSession';
const ID_BYTES = 32;
const ID = /^[\w-]{43}$/;
/** RTS on strong customer authentication article 4(3)(d): at most five minutes without activity. */
export const IDLE_SECONDS = 5 * 60;
/** A session that is used all the time ends after an hour. */
const LONGEST_SECONDS = 3600;

/**
 * The sessions of customers at the dashboard: one record each, encrypted and bound to its identifier, which the browser has in
 * a cookie and the store as a keyed hash only.
 */
export class DashboardSessions {
  readonly #options: DashboardSessionsOptions;
  readonly #hash: (kind: string, id: string) => string;
  readonly #encryption: PayloadEncryption;

  constructor(options: DashboardSessionsOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
    this.#encryption = new PayloadEncryption(options.secret);
  }

  /** Begins a session under a new identifier, and returns the identifier. @throws ERR_STORAGE_UNAVAILABLE */
  async begin(psuId: string): Promise<string> {
    const id = randomBytes(ID_BYTES).toString('base64url');
    const now = this.#options.clock.now();
    const key = this.#hash(KIND, id);
    await this.#options.store.putIfAbsent(
      KIND,
      key,
      this.#record(key, { psuId, begunAt: now.toISOString() }),
    );
    return id;
  }

  /**
   * The session of an identifier, which has five minutes again from now on. Undefined when there is none, or it is over.
   *
   * @throws ERR_STORAGE_UNAVAILABLE
   */
  async resume(id: string | undefined): Promise<DashboardSession | undefined> {
    if (id === undefined || !ID.test(id)) return undefined;
    const { store } = this.#options;
    const key = this.#hash(KIND, id);
    const read = await store.find(KIND, key);
    if (read === undefined) return undefined;
    const session = this.#encryption.decrypt(read.value, boundTo(key)) as DashboardSession;
    // A renewal that fails: another tab has renewed the session, or has ended it.
    const isRenewed = await store.replace(KIND, read, this.#record(key, session));
    return isRenewed || (await store.find(KIND, key)) !== undefined ? session : undefined;
  }

  /** Ends a session; ending one that is over is no error. @throws ERR_STORAGE_UNAVAILABLE */
  async end(id: string | undefined): Promise<void> {
    if (id !== undefined && ID.test(id)) await this.#options.store.delete(KIND, this.#hash(KIND, id));
  }

  #record(key: string, session: DashboardSession) {
    const now = this.#options.clock.now().getTime();
    const latest = new Date(session.begunAt).getTime() + LONGEST_SECONDS * 1000;
    return {
      value: this.#encryption.encrypt(session, boundTo(key)),
      expiresAt: new Date(Math.min(now + IDLE_SECONDS * 1000, latest)),
    };
  }
}

function boundTo(key: string): string {
  return `${KIND}\0${key}`;
}
