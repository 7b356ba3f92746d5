import { randomBytes } from 'node:crypto';
import type { TppRecord, TppRegistry } from '../../../tpp-registry/index.ts';
import type { Clock } from '../../clock.ts';
import { isRefusal } from '../../errors.ts';
import type { EventFields, EventName, Log } from '../../events.ts';
import { BackgroundLoop } from '../../remote/background-loop.ts';
import type { Store } from '../../storage/store.ts';

/** The facts of a TPP that decide what it may do. */
export interface TppFacts {
  readonly status: string;
  readonly roles: readonly string[];
  readonly countries: readonly string[];
}

export interface TppChange {
  readonly authorizationNumber: string;
  readonly legalName: string;
  /** Absent for a TPP that is new. */
  readonly before?: TppFacts | undefined;
  /** Absent for a TPP that is gone. */
  readonly after?: TppFacts | undefined;
}

/** The changes of an import of a source against the copy before. */
export interface ImportDifference {
  readonly source: string;
  /** RFC 3339: when the copies were fetched or read. */
  readonly before: string;
  readonly after: string;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** The first 100. */
  readonly tpps: readonly TppChange[];
}

/** A copy of a source that could not be fetched, or was refused. */
export interface RegisterRefusal {
  readonly source: string;
  /** RFC 3339. */
  readonly at: string;
  readonly code: string;
  readonly problem: string;
}

export interface RegisterReport {
  readonly differences: readonly ImportDifference[];
  /** Latest first. */
  readonly refusals: readonly RegisterRefusal[];
}

interface Copy {
  readonly fetchedAt: Date;
  /** Undefined for a long copy, which is not compared. */
  readonly tpps: ReadonlyMap<string, TppRecord> | undefined;
}

type Shared = { readonly difference: ImportDifference } | { readonly refusals: readonly RegisterRefusal[] };

const KIND = 'ManagementRegister';
const INDEX = 'all';
const DAY_MILLISECONDS = 86_400_000;
const DIFFERENCE_DAYS = 90;
const REFUSAL_DAYS = 14;
const LOOK_SECONDS = 5;
/** To compare more would hold up requests. */
const MAX_COMPARED = 10_000;
const MAX_SHOWN = 100;
const MAX_REFUSALS = 10;
const MAX_TEXT = 300;

const SOURCES: Partial<Readonly<Record<EventName, string>>> = {
  'registry.refused': 'own list',
  'eba-register.refused': 'EBA register',
  'eba-register.not-renewed': 'EBA register',
  'uk-directory.refused': 'UK directory',
  'uk-directory.not-renewed': 'UK directory',
  'trusted-list.not-renewed': 'trusted lists',
  'trust.refused': 'trust files',
  'block-list.refused': 'block list',
};

/**
 * Changes of the last imports of the registers, and copies that were refused: for the console, shared through the store.
 * Each process compares the copies that it uses; imports while no process ran are not compared.
 */
export class RegisterHistory {
  readonly #clock: Clock;
  readonly #process = randomBytes(9).toString('base64url');
  readonly #copies = new Map<string, Copy>();
  /** By source: what the store does not have yet. */
  readonly #unshared = new Map<string, ImportDifference>();
  #refusals: readonly RegisterRefusal[] = [];
  #registry: TppRegistry | undefined;
  #store: Store | undefined;
  #loop: BackgroundLoop | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start({
    registry,
    store,
    log,
  }: {
    readonly registry: TppRegistry;
    readonly store: Store;
    readonly log: Log;
  }): void {
    this.#store = store;
    this.#registry = registry;
    this.#differences();
    this.#loop = new BackgroundLoop(LOOK_SECONDS, async () => {
      try {
        await this.#look();
      } catch (error) {
        log.emit('management.activity.unshared', { error });
      }
      return LOOK_SECONDS;
    });
  }

  /** Notes an event that reports a copy as bad. */
  note(name: EventName, { error, problems, url, file, kind }: EventFields): void {
    const source = SOURCES[name];
    if (source === undefined) return;
    const details = isRefusal(error) ? (error.details as { readonly problem?: unknown }) : {};
    const [first] = problems ?? [];
    const said =
      first === undefined ? String(details.problem ?? '') : `${first.path} ${first.message}`.trim();
    const place = kind ?? url ?? file;
    const refusal: RegisterRefusal = {
      source,
      at: this.#clock.now().toISOString(),
      code: isRefusal(error) ? error.code : 'ERR_UNEXPECTED',
      problem: [place, said].filter(Boolean).join(': ').slice(0, MAX_TEXT),
    };
    this.#refusals = [refusal, ...this.#refusals].slice(0, MAX_REFUSALS);
    const shared = this.#share(`refusals ${this.#process}`, { refusals: this.#refusals }, REFUSAL_DAYS);
    // The next refusal, or the next page, tries again.
    void shared.catch(() => undefined);
  }

  /** @throws ERR_STORAGE_UNAVAILABLE */
  async report(): Promise<RegisterReport> {
    await this.#look();
    const records = (await this.#store?.listByIndex(KIND, INDEX, INDEX)) ?? [];
    const shared = records.map(({ value }) => value as Shared);
    const ofOthers = shared.flatMap((one) => ('refusals' in one ? one.refusals : []));
    const own = new Set(this.#refusals.map((one) => JSON.stringify(one)));
    const others = ofOthers.filter((one) => !own.has(JSON.stringify(one)));
    return {
      differences: shared.flatMap((one) => ('difference' in one ? [one.difference] : [])),
      refusals: [...this.#refusals, ...others]
        .toSorted((a, b) => b.at.localeCompare(a.at))
        .slice(0, MAX_REFUSALS),
    };
  }

  async close(): Promise<void> {
    await this.#loop?.close();
  }

  /** Compares copies that have come into use. */
  async #look(): Promise<void> {
    for (const difference of this.#differences()) this.#unshared.set(difference.source, difference);
    for (const [source, difference] of this.#unshared) {
      await this.#share(`difference ${source}`, { difference }, DIFFERENCE_DAYS);
      if (this.#unshared.get(source) === difference) this.#unshared.delete(source);
    }
  }

  #differences(): ImportDifference[] {
    return (this.#registry?.sources?.() ?? []).flatMap((source) => {
      const { name, fetchedAt, size } = source;
      const before = this.#copies.get(name);
      if (before?.fetchedAt.getTime() === fetchedAt.getTime()) return [];
      const tpps = size > MAX_COMPARED ? undefined : new Map(source.list().map((one) => [keyOf(one), one]));
      this.#copies.set(name, { fetchedAt, tpps });
      if (before?.tpps === undefined || tpps === undefined) return [];
      const changes = changesOf(before.tpps, tpps);
      if (changes.length === 0) return [];
      const removed = changes.filter(({ after }) => after === undefined).length;
      const added = changes.filter((one) => one.before === undefined).length;
      return [
        {
          source: name,
          before: before.fetchedAt.toISOString(),
          after: fetchedAt.toISOString(),
          added,
          removed,
          changed: changes.length - added - removed,
          tpps: changes.slice(0, MAX_SHOWN),
        },
      ];
    });
  }

  async #share(id: string, value: Shared, days: number): Promise<void> {
    const expiresAt = new Date(this.#clock.now().getTime() + days * DAY_MILLISECONDS);
    await this.#store?.put(KIND, id, { value, expiresAt, indexes: { [INDEX]: INDEX } });
  }
}

function changesOf(
  before: ReadonlyMap<string, TppRecord>,
  after: ReadonlyMap<string, TppRecord>,
): readonly TppChange[] {
  const gone = [...before.values()].filter((one) => !after.has(keyOf(one)));
  const rest = [...after.values()].flatMap((one) => {
    const earlier = before.get(keyOf(one));
    if (earlier === undefined) return [{ ...namesOf(one), after: factsOf(one) }];
    const [was, is] = [factsOf(earlier), factsOf(one)];
    return JSON.stringify(was) === JSON.stringify(is) ? [] : [{ ...namesOf(one), before: was, after: is }];
  });
  return [...gone.map((one) => ({ ...namesOf(one), before: factsOf(one) })), ...rest];
}

function keyOf({ authorizationNumber, nca }: TppRecord): string {
  return `${nca.id} ${authorizationNumber}`;
}

function namesOf({ authorizationNumber, legalName }: TppRecord) {
  return { authorizationNumber, legalName };
}

function factsOf({ status, roles, country, passportedCountries }: TppRecord): TppFacts {
  return {
    status,
    roles: [...roles].toSorted(),
    countries: [...new Set([country, ...passportedCountries])].toSorted(),
  };
}
