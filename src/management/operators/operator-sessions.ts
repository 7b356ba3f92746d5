import { hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { identifierHash, keyedHash, PayloadEncryption } from '../../storage/record-protection.ts';
import type { RecordToStore, Store } from '../../storage/store.ts';
import type { ManagementListenerName, Operator } from './operator.ts';

/** A session of the console, in the store, so that every process knows it. */
export interface OperatorSession {
  /** The value of the cookie. */
  readonly id: string;
  readonly operator: Operator;
  /** For the forms of the session. */
  readonly csrfToken: string;
  readonly listener: ManagementListenerName;
}

interface Kept {
  readonly operator: Operator;
  readonly listener: ManagementListenerName;
  /** Milliseconds since the epoch. */
  readonly openedAt: number;
  readonly usedAt: number;
}

const KIND = 'ManagementSession';
/** Without a request the session ends after this. */
const IDLE_SECONDS = 15 * 60;
/** A working day: the session ends whatever happens. */
const LONGEST_SECONDS = 8 * 3600;
/** A use is written at most so often. */
const WRITE_SECONDS = 60;
const ID = /^[A-Za-z0-9_-]{43}$/;

/** Opens, finds and ends the sessions of operators. */
export class OperatorSessions {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #hash: (kind: string, id: string) => string;
  readonly #encryption: PayloadEncryption;
  readonly #formMac: (text: string) => string;

  constructor({ store, clock, secret }: { store: Store; clock: Clock; secret: Buffer }) {
    this.#store = store;
    this.#clock = clock;
    this.#hash = identifierHash(secret);
    this.#encryption = new PayloadEncryption(secret);
    this.#formMac = keyedHash(Buffer.from(hkdfSync('sha256', secret, '', 'tallystick management forms', 32)));
  }

  async open(operator: Operator, listener: ManagementListenerName): Promise<OperatorSession> {
    const id = randomBytes(32).toString('base64url');
    const at = this.#clock.now().getTime();
    const key = this.#hash(KIND, id);
    await this.#store.put(KIND, key, this.#recordOf(key, { operator, listener, openedAt: at, usedAt: at }));
    return this.#sessionOf(id, operator, listener);
  }

  /** The session of a cookie on the listener that opened it; undefined when there is none, or it is over. */
  async find(id: string, listener: ManagementListenerName): Promise<OperatorSession | undefined> {
    if (!ID.test(id)) return undefined;
    const key = this.#hash(KIND, id);
    const record = await this.#store.find(KIND, key);
    if (record === undefined) return undefined;
    const kept = this.#encryption.decrypt(record.value, `${KIND}\0${key}`) as Kept;
    if (kept.listener !== listener) return undefined;
    const now = this.#clock.now().getTime();
    if (now - kept.usedAt > WRITE_SECONDS * 1000) {
      // Not `put`: a session that was ended in between stays ended.
      await this.#store.replace(KIND, record, this.#recordOf(key, { ...kept, usedAt: now }));
    }
    return this.#sessionOf(id, kept.operator, listener);
  }

  async end(id: string): Promise<void> {
    if (ID.test(id)) await this.#store.delete(KIND, this.#hash(KIND, id));
  }

  /** Whether a form is of this session. */
  isOwnForm({ csrfToken }: OperatorSession, token: unknown): boolean {
    const given = Buffer.from(String(token));
    const expected = Buffer.from(csrfToken);
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  #recordOf(key: string, kept: Kept): RecordToStore {
    const ends = Math.min(kept.usedAt + IDLE_SECONDS * 1000, kept.openedAt + LONGEST_SECONDS * 1000);
    return { value: this.#encryption.encrypt(kept, `${KIND}\0${key}`), expiresAt: new Date(ends) };
  }

  #sessionOf(id: string, operator: Operator, listener: ManagementListenerName): OperatorSession {
    return Object.freeze({ id, operator, listener, csrfToken: this.#formMac(id) });
  }
}
