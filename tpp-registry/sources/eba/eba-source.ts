import type { Clock } from '../../../src/clock.ts';
import { OpenBankingError } from '../../../src/errors.ts';
import { canonicalNca } from '../../nca.ts';
import type { PspRole, TppRecord } from '../../record.ts';
import type { RegistrySource, SourceStatement } from '../../source.ts';
import { authorisationAt, rolesIn } from './authorisation.ts';
import type { EbaEntity } from './entity.ts';
import type { RegisterCopy } from './register-file.ts';

export interface EbaSourceOptions {
  /** ISO 3166-1: the roles of a TPP are those that it may provide there. */
  readonly hostCountry: string;
  readonly clock: Clock;
  /** Organization identifiers whose number is not the register's, and whose institution was found by hand. */
  readonly overrides?: readonly RegisterOverride[];
}

/** An organization identifier → institution of the register, with who found it, and how. */
export interface RegisterOverride {
  readonly authorizationNumber: string;
  readonly entityCode: string;
  readonly provenance: string;
}

/** `PSD`, country, authority, then anything: the number may have hyphens and spaces of its own. */
const PSD_IDENTIFIER = /^PSD([A-Z]{2}-[A-Z]{2,8})-(.+)$/;
/** Statements that are kept, of TPPs that were asked for. */
const MAX_KEPT = 5000;

interface Kept {
  readonly statement: SourceStatement;
  /** In milliseconds. */
  readonly until: number;
}

/** The EBA's register of payment institutions as a source. Made for each copy; a look-up is in memory. */
export class EbaSource implements RegistrySource {
  readonly name = 'EBA register';
  readonly copy: RegisterCopy;
  readonly #options: EbaSourceOptions;
  /** By authority and number, exact and normalised. */
  readonly #byNumber = new Map<string, EbaEntity[]>();
  readonly #byCode = new Map<string, EbaEntity[]>();
  readonly #overrides: ReadonlyMap<string, RegisterOverride>;
  readonly #kept = new Map<string, Kept>();

  constructor(copy: RegisterCopy, options: EbaSourceOptions) {
    this.copy = copy;
    this.#options = options;
    const { overrides = [] } = options;
    this.#overrides = new Map(overrides.map((one) => [one.authorizationNumber, one]));
    for (const entity of copy.entities) {
      this.#byCode.set(entity.entityCode, [...(this.#byCode.get(entity.entityCode) ?? []), entity]);
      for (const key of keysOf(entity)) {
        this.#byNumber.set(key, [...(this.#byNumber.get(key) ?? []), entity]);
      }
    }
  }

  get fetchedAt(): Date {
    return this.copy.state.fetchedAt;
  }

  get size(): number {
    return this.#byCode.size;
  }

  find(authorizationNumber: string, nca?: string): SourceStatement | undefined {
    const now = this.#options.clock.now().getTime();
    const key = `${nca ?? ''} ${authorizationNumber}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined && now < kept.until) return kept.statement;
    const entities = this.#entitiesOf(authorizationNumber, nca);
    if (entities.length === 0) return undefined;
    const made = this.#statementOf(authorizationNumber, entities, new Date(now));
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    this.#kept.set(key, made);
    return made.statement;
  }

  list(): readonly TppRecord[] {
    const at = this.#options.clock.now();
    const codes = [...this.#byCode.values()];
    return codes.map((entities) => this.#recordOf(identifierOf(entities), entities, at).record);
  }

  #entitiesOf(authorizationNumber: string, nca: string | undefined): readonly EbaEntity[] {
    const override = this.#overrides.get(authorizationNumber);
    if (override !== undefined) return this.#byCode.get(override.entityCode) ?? [];
    const [, named, number] = PSD_IDENTIFIER.exec(authorizationNumber) ?? [];
    if (named === undefined || number === undefined) return [];
    const authority = canonicalNca(named);
    if (authority === undefined || (nca !== undefined && canonicalNca(nca) !== authority)) return [];
    const exact = this.#byNumber.get(`${authority}=${number}`);
    return exact ?? this.#byNumber.get(`${authority}~${normalised(number)}`) ?? [];
  }

  /** Two institutions with one number are refused: whichever was meant, the other one must not act for it. */
  #statementOf(authorizationNumber: string, entities: readonly EbaEntity[], at: Date): Kept {
    const codes = [...new Set(entities.map(({ entityCode }) => entityCode))];
    const evidence = this.#evidenceOf(authorizationNumber, entities);
    if (codes.length > 1) {
      const refusal = new OpenBankingError('ERR_TPP_AMBIGUOUS', { authorizationNumber, entities: codes });
      return { statement: { refusal, evidence }, until: Number.POSITIVE_INFINITY };
    }
    const { record, until } = this.#recordOf(authorizationNumber, entities, at);
    return { statement: { record, evidence }, until: until?.getTime() ?? Number.POSITIVE_INFINITY };
  }

  #evidenceOf(authorizationNumber: string, entities: readonly EbaEntity[]): string {
    const { snapshotAt, digest } = this.copy.state;
    const found = entities.map(({ type, entityCode }) => `${type} ${entityCode}`);
    const override = this.#overrides.get(authorizationNumber);
    const by = override === undefined ? '' : `, by hand: ${override.provenance}`;
    return `${[...new Set(found)].join(', ')}, copy of ${snapshotAt.toISOString().slice(0, 10)}, SHA-256 ${digest.slice(0, 16)}${by}`;
  }

  /** Of several types of one institution each counts for itself: a withdrawn one does not end another. */
  #recordOf(
    authorizationNumber: string,
    entities: readonly EbaEntity[],
    at: Date,
  ): { readonly record: TppRecord; readonly until: Date | undefined } {
    const { hostCountry } = this.#options;
    const [first] = entities;
    if (first === undefined) throw new TypeError('a record needs an institution');
    const states = entities.map((entity) => ({ entity, ...authorisationAt(entity, at) }));
    const active = states.filter(({ isActive }) => isActive);
    const changes = states.flatMap(({ until }) => until ?? []);
    const until = changes.toSorted((a, b) => a.getTime() - b.getTime())[0];
    const deciding = active.length > 0 ? active : states;
    const [latest] = deciding.toSorted((a, b) => b.since.getTime() - a.since.getTime());
    const country = first.nca.slice(0, 2);
    const record: TppRecord = Object.freeze({
      authorizationNumber,
      legalName: (latest?.entity ?? first).name,
      nca: Object.freeze({ id: first.nca }),
      country,
      roles: new Set<PspRole>(active.flatMap(({ entity }) => rolesIn(entity, hostCountry))),
      passportedCountries: Object.freeze(
        countriesOf(active.map(({ entity }) => entity)).filter((one) => one !== country),
      ),
      status: active.length > 0 ? 'active' : 'withdrawn',
      statusSince: latest?.since ?? new Date(0),
      ...(latest?.reason === undefined ? {} : { statusReason: latest.reason }),
    });
    return { record, until };
  }
}

/** The countries in which one of the entities has a role at all. */
function countriesOf(entities: readonly EbaEntity[]): string[] {
  const countries = entities.flatMap((entity) =>
    Object.keys(entity.services).filter((country) => rolesIn(entity, country).length > 0),
  );
  return [...new Set(countries)];
}

/** An institution is found by its number as given, or by its number or code without spaces and punctuation. */
function keysOf({ nca, entityCode, reference }: EbaEntity): string[] {
  const code = entityCode.slice(entityCode.lastIndexOf('!') + 1);
  const keys = [`${nca}~${normalised(code)}`];
  if (reference !== undefined) keys.push(`${nca}=${reference}`, `${nca}~${normalised(reference)}`);
  return [...new Set(keys)];
}

function normalised(number: string): string {
  return number.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');
}

/** The identifier that a certificate of the institution should have. */
function identifierOf([first]: readonly EbaEntity[]): string {
  if (first === undefined) return '';
  const code = first.entityCode.slice(first.entityCode.lastIndexOf('!') + 1);
  return `PSD${first.nca}-${first.reference ?? code}`;
}
