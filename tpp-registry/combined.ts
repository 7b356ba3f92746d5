import type { Clock } from '../src/clock.ts';
import { OpenBankingError } from '../src/errors.ts';
import type { Log } from '../src/events.ts';
import type { TppRecord } from './record.ts';
import type { TppRegistry } from './registry.ts';
import type { SourceState } from './source-state.ts';
import type { RegistrySource, SourceStatement } from './source.ts';

/** The decision where two public sources say different things about one TPP. */
export type DifferenceRule = 'strictest' | 'first';

export interface PublicSource {
  /** The copy that is in use now. */
  readonly current: RegistrySource;
  /** How long a copy counts after it was fetched. */
  readonly maxAgeSeconds: number;
  /** TPPs of a source that counts no longer. */
  readonly overdue: 'refuse' | 'accept-and-report';
}

export interface CombinedRegistryOptions {
  /** The bank's own list: it decides alone about the TPPs that it has. */
  readonly own: TppRegistry | undefined;
  /** In the order in which they count. */
  readonly sources: readonly PublicSource[];
  readonly whenSourcesDiffer: DifferenceRule;
  readonly clock: Clock;
  readonly log: Log;
  readonly close: () => Promise<void>;
}

interface Stated {
  readonly source: PublicSource;
  readonly statement: SourceStatement;
}

const REPORT_SECONDS = 3600;

/** A registry of several sources: the bank's own list first, then public registers. */
export class CombinedRegistry implements TppRegistry {
  readonly #options: CombinedRegistryOptions;
  /** Merged records by their first, so that an unchanged answer is the same object. */
  readonly #merged = new WeakMap<
    TppRecord,
    { readonly of: readonly TppRecord[]; readonly record: TppRecord }
  >();
  readonly #reported = new Map<string, number>();

  constructor(options: CombinedRegistryOptions) {
    this.#options = options;
  }

  /** @throws ERR_TPP_AMBIGUOUS, ERR_REGISTRY_OVERDUE */
  find(authorizationNumber: string, nca?: string): TppRecord | undefined {
    const own = this.#options.own?.find(authorizationNumber, nca);
    if (own !== undefined) return own;
    const stated = this.#stated(authorizationNumber, nca);
    const records: TppRecord[] = [];
    for (const { source, statement } of stated) {
      if ('refusal' in statement) throw statement.refusal;
      const overdue = this.#overdue(source);
      if (overdue !== undefined) throw overdue;
      records.push(statement.record);
    }
    const [first] = records;
    if (first === undefined || records.length === 1 || this.#options.whenSourcesDiffer === 'first')
      return first;
    return this.#strictest(first, records);
  }

  explain(authorizationNumber: string, nca?: string): readonly string[] {
    const own = this.#options.own?.find(authorizationNumber, nca);
    const stated = this.#stated(authorizationNumber, nca).map(({ source, statement }) => {
      const said = 'refusal' in statement ? statement.refusal.code : shown(statement.record);
      return `${source.current.name}: ${said} (${statement.evidence})`;
    });
    return own === undefined ? stated : [`the bank's own list: ${shown(own)}, decides`, ...stated];
  }

  list(): readonly TppRecord[] {
    const { own, sources } = this.#options;
    return [...(own?.list() ?? []), ...sources.flatMap(({ current }) => current.list())];
  }

  sources(): readonly SourceState[] {
    const { own, sources } = this.#options;
    return [...(own?.sources?.() ?? []), ...sources.map(({ current }) => current)];
  }

  get loadedAt(): Date {
    const { own, sources } = this.#options;
    const times = [own?.loadedAt, ...sources.map(({ current }) => current.fetchedAt)];
    return new Date(Math.min(...times.flatMap((time) => time?.getTime() ?? [])));
  }

  close(): Promise<void> {
    return this.#options.close();
  }

  #stated(authorizationNumber: string, nca: string | undefined): readonly Stated[] {
    return this.#options.sources.flatMap((source) => {
      const statement = source.current.find(authorizationNumber, nca);
      return statement === undefined ? [] : [{ source, statement }];
    });
  }

  #overdue({ current, maxAgeSeconds, overdue }: PublicSource): OpenBankingError | undefined {
    const { clock, log } = this.#options;
    const now = clock.now().getTime();
    const end = current.fetchedAt.getTime() + maxAgeSeconds * 1000;
    if (now <= end) return undefined;
    const since = new Date(end);
    const last = this.#reported.get(current.name);
    if (last === undefined || now - last > REPORT_SECONDS * 1000) {
      this.#reported.set(current.name, now);
      log.emit('registry.overdue', { kind: current.name, since: since.toISOString(), outcome: overdue });
    }
    const details = { source: current.name, since };
    return overdue === 'refuse' ? new OpenBankingError('ERR_REGISTRY_OVERDUE', details) : undefined;
  }

  /** A TPP may do what every source lets it do. */
  #strictest(first: TppRecord, records: readonly TppRecord[]): TppRecord {
    const known = this.#merged.get(first);
    if (known?.of.length === records.length && known.of.every((one, at) => one === records[at])) {
      return known.record;
    }
    const withdrawn = records.find(({ status }) => status !== 'active');
    const deciding = withdrawn ?? first;
    const inAll = <T>(of: (record: TppRecord) => readonly T[]) =>
      of(first).filter((one) => records.every((record) => of(record).includes(one)));
    const countries = (record: TppRecord) => [record.country, ...record.passportedCountries];
    const record: TppRecord = Object.freeze({
      ...deciding,
      roles: new Set(inAll(({ roles }) => [...roles])),
      passportedCountries: Object.freeze(inAll(countries).filter((one) => one !== deciding.country)),
    });
    this.#merged.set(first, { of: [...records], record });
    return record;
  }
}

function shown({ status, statusReason, roles, legalName }: TppRecord): string {
  const reason = statusReason === undefined ? '' : ` (${statusReason})`;
  return `${legalName}, ${status}${reason}, ${[...roles].join(' ') || 'no role here'}`;
}
