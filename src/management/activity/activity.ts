import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { isRefusal } from '../../errors.ts';
import type { EventFields, EventName, EventSink, Log } from '../../events.ts';
import { BackgroundLoop } from '../../remote/background-loop.ts';
import type { Store } from '../../storage/store.ts';
import type { TppRegistry } from '../../../tpp-registry/index.ts';
import { RegisterHistory } from './register-history.ts';

/** A refusal of a TPP's request, as the console shows it. */
export interface RecentRefusal {
  /** RFC 3339. */
  readonly at: string;
  readonly code: string;
  readonly event: string;
  readonly route?: string | undefined;
  readonly authorizationNumber?: string | undefined;
  readonly clientId?: string | undefined;
  readonly certificate?: string | undefined;
  readonly requestId?: string | undefined;
}

/** The figures of one process and one minute. */
interface Minute {
  /** Minutes since the epoch. */
  readonly minute: number;
  tokens: number;
  refusals: number;
  readonly codes: Record<string, number>;
  readonly recent: RecentRefusal[];
}

/** The last hour of all processes together. */
export interface ActivityReport {
  /** Sixty minutes, the present one last. */
  readonly minutes: readonly { readonly at: Date; readonly tokens: number; readonly refusals: number }[];
  /** By number, most first. */
  readonly codes: readonly { readonly code: string; readonly count: number }[];
  /** Latest first; of each process and minute at most 20. */
  readonly recent: readonly RecentRefusal[];
}

export interface ActivityOptions {
  readonly clock: Clock;
}

interface ActivityParts {
  readonly store: Store;
  readonly registry: TppRegistry;
  readonly log: Log;
}

const KIND = 'ManagementActivity';
const INDEX = 'all';
const MINUTE_MILLISECONDS = 60_000;
const SHOWN_MINUTES = 60;
/** How late the figures of other processes are. */
const WRITE_SECONDS = 10;
/** A minute is kept until it is shown no more. */
const KEPT_MILLISECONDS = (SHOWN_MINUTES + 5) * MINUTE_MILLISECONDS;
/** A flood of refusals is counted, not listed. */
const MAX_RECENT = 20;
const MAX_CODES = 200;
const REFUSED: ReadonlySet<EventName> = new Set([
  'client.auth.refused',
  'client.limited',
  'grant.refused',
  'dpop.refused',
  'request.refused',
  'registration.refused',
  'dependency.unavailable',
]);

/**
 * Tokens and refusals of the last hour, for the overview: counted from the events of this process, and shared through the store
 * with all others. Figures to look at, and no record: a process that is killed loses its last seconds.
 */
export class Activity {
  /** The use of events that counts. */
  readonly sink: EventSink;
  readonly registers: RegisterHistory;
  readonly #clock: Clock;
  readonly #process = randomBytes(9).toString('base64url');
  #current: Minute;
  #hasNews = false;
  #store: Store | undefined;
  #loop: BackgroundLoop | undefined;

  constructor({ clock }: ActivityOptions) {
    this.#clock = clock;
    this.registers = new RegisterHistory(clock);
    this.#current = emptyMinute(minuteOf(clock));
    this.sink = (name, _definition, fields) => {
      this.#note(name, fields);
      this.registers.note(name, fields);
    };
  }

  /** Begins to share the figures. */
  start({ store, log, registry }: ActivityParts): void {
    this.#store = store;
    this.registers.start({ registry, store, log });
    this.#loop = new BackgroundLoop(WRITE_SECONDS, async () => {
      try {
        await this.#write();
      } catch (error) {
        log.emit('management.activity.unshared', { error });
      }
      return WRITE_SECONDS;
    });
  }

  /** @throws ERR_STORAGE_UNAVAILABLE */
  async report(): Promise<ActivityReport> {
    await this.#write();
    const records = (await this.#store?.listByIndex(KIND, INDEX, INDEX)) ?? [];
    const minutes = records.map(({ value }) => value as Minute);
    const last = minuteOf(this.#clock);
    const first = last - SHOWN_MINUTES + 1;
    const shown = minutes.filter(({ minute }) => minute >= first && minute <= last);
    const byMinute = Map.groupBy(shown, ({ minute }) => minute);
    const codes = new Map<string, number>();
    for (const one of shown) {
      for (const [code, count] of Object.entries(one.codes)) codes.set(code, (codes.get(code) ?? 0) + count);
    }
    return {
      minutes: Array.from({ length: SHOWN_MINUTES }, (_, at) => {
        const all = byMinute.get(first + at) ?? [];
        return {
          at: new Date((first + at) * MINUTE_MILLISECONDS),
          tokens: sumOf(all.map(({ tokens }) => tokens)),
          refusals: sumOf(all.map(({ refusals }) => refusals)),
        };
      }),
      codes: [...codes].map(([code, count]) => ({ code, count })).toSorted((a, b) => b.count - a.count),
      recent: shown.flatMap(({ recent }) => recent).toSorted((a, b) => b.at.localeCompare(a.at)),
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#loop?.close(), this.registers.close()]);
  }

  #note(name: EventName, fields: EventFields): void {
    const isToken = name === 'token.issued';
    if (!isToken && !REFUSED.has(name)) return;
    const minute = minuteOf(this.#clock);
    if (minute !== this.#current.minute) this.#turn(minute);
    this.#hasNews = true;
    if (isToken) this.#current.tokens += 1;
    else this.#refused(name, fields);
  }

  #refused(name: EventName, fields: EventFields): void {
    const { codes, recent } = this.#current;
    const { error } = fields;
    const code = isRefusal(error) ? error.code : 'ERR_UNEXPECTED';
    this.#current.refusals += 1;
    if (code in codes || Object.keys(codes).length < MAX_CODES) codes[code] = (codes[code] ?? 0) + 1;
    if (recent.length >= MAX_RECENT) recent.shift();
    const { route, clientId, certificate, requestId } = fields;
    const authorizationNumber = fields.authorizationNumber ?? refusedTpp(error);
    const of = { route, authorizationNumber, clientId, certificate, requestId };
    recent.push({ at: this.#clock.now().toISOString(), code, event: name, ...of });
  }

  #turn(minute: number): void {
    const before = this.#current;
    this.#current = emptyMinute(minute);
    if (this.#hasNews) void this.#put(before).catch(() => undefined);
  }

  async #write(): Promise<void> {
    if (!this.#hasNews) return;
    this.#hasNews = false;
    await this.#put(this.#current);
  }

  async #put(minute: Minute): Promise<void> {
    await this.#store?.put(KIND, `${this.#process} ${minute.minute}`, {
      value: { ...minute, codes: { ...minute.codes }, recent: [...minute.recent] },
      expiresAt: new Date(minute.minute * MINUTE_MILLISECONDS + KEPT_MILLISECONDS),
      indexes: { [INDEX]: INDEX },
    });
  }
}

/** The TPP that a refusal names, where the request was refused before its TPP could act. */
function refusedTpp(error: unknown): string | undefined {
  if (!isRefusal(error)) return undefined;
  const { authorizationNumber } = error.details as { readonly authorizationNumber?: unknown };
  return typeof authorizationNumber === 'string' ? authorizationNumber : undefined;
}

function emptyMinute(minute: number): Minute {
  return { minute, tokens: 0, refusals: 0, codes: {}, recent: [] };
}

function minuteOf(clock: Clock): number {
  return Math.floor(clock.now().getTime() / MINUTE_MILLISECONDS);
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0);
}
