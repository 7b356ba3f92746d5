import { isRefusal, OpenBankingError } from '../errors.ts';
import { canonicalNca, type PspRole, type TppRecord, type TppRegistry } from '../../tpp-registry/index.ts';
import type { BlockList, BlockSubject } from './block-list/block-list.ts';
import { NO_TRAIL, type Rule, type RuleLog } from './decision.ts';

/** A TPP by its names, as a certificate, a registered client or a token carries them. */
export interface NamedTpp {
  /** The organizationIdentifier (TS 119 495 cl. 5.2.1). */
  readonly authorizationNumber: string;
  /** The competent authority (NCA). Without it the number must be unique in the registry. */
  readonly nca: string | undefined;
  /** The certificate, where one is known: it may be blocked although its TPP is not. */
  readonly certificate?: BlockSubject['certificate'];
}

export interface AuthorisationStatusOptions {
  readonly registry: TppRegistry;
  /** ISO 3166-1. When set, a TPP of another country must be passported into it. */
  readonly hostCountry?: string | undefined;
  /** Default: no TPP is blocked. */
  readonly blockList?: Pick<BlockList, 'find'>;
}

const RULE = Object.freeze({
  notBlocked: { rule: 'not blocked', clause: 'configuration, PSD2 article 68' },
  sources: { rule: 'sources of the registry', clause: 'configuration' },
  registered: { rule: 'registered', clause: 'PSD2 article 14' },
  active: { rule: 'authorized', clause: 'PSD2 articles 13, 14' },
  passported: { rule: 'passported', clause: 'PSD2 article 28' },
  roles: { rule: 'roles', clause: 'TS 119 495 cl. 5.2.2, PSD2 article 11' },
});

/** The role that each scope needs: PSD2 articles 67 (account information), 66 (payment initiation) and 65 (funds). */
const NEEDED: ReadonlyMap<string, PspRole> = new Map([
  ['accounts', 'PSP_AI'],
  ['payments', 'PSP_PI'],
  ['fundsconfirmations', 'PSP_IC'],
]);

/**
 * Decides whether a TPP may act here now: registered, authorized, passported into the host country, not blocked. The
 * certificate decision, the pages of the PSU and the status of tokens all use this class. Synchronous and in memory,
 * because every request uses it.
 *
 * Does not check certificates or their revocation.
 */
export class AuthorisationStatus {
  readonly #registry: TppRegistry;
  readonly #hostCountry: string | undefined;
  readonly #blockList: Pick<BlockList, 'find'> | undefined;

  constructor({ registry, hostCountry, blockList }: AuthorisationStatusOptions) {
    this.#registry = registry;
    this.#hostCountry = hostCountry;
    this.#blockList = blockList;
  }

  /** The record of a TPP that may act here now; otherwise the refusal, which is not thrown: lists decide about many. */
  decide(tpp: NamedTpp): TppRecord | OpenBankingError {
    const decided = this.#registration(tpp, NO_TRAIL);
    return decided instanceof OpenBankingError
      ? decided
      : (this.#block(tpp, tpp.nca ?? decided.nca.id) ?? decided);
  }

  /**
   * Proves that a TPP may act here now, and returns its record.
   *
   * @throws ERR_TPP_NOT_REGISTERED, ERR_TPP_NCA_MISMATCH, ERR_TPP_NOT_AUTHORIZED, ERR_TPP_NOT_PASSPORTED,
   * ERR_TPP_BLOCKED, ERR_CERT_BLOCKED
   */
  verify(tpp: NamedTpp): TppRecord {
    return thrown(this.decide(tpp));
  }

  /**
   * One part of `verify`, for a decision that checks revocation between the parts: neither the certificate nor its TPP
   * is blocked.
   *
   * @throws ERR_CERT_BLOCKED, ERR_TPP_BLOCKED
   */
  verifyNotBlocked(tpp: NamedTpp & { readonly nca: string }, trail: RuleLog): void {
    if (this.#blockList === undefined) return;
    trail.check(RULE.notBlocked, () => thrown(this.#block(tpp, tpp.nca)));
  }

  /**
   * The other part of `verify`: the TPP is registered, authorized and passported.
   *
   * @throws ERR_TPP_NOT_REGISTERED, ERR_TPP_NCA_MISMATCH, ERR_TPP_NOT_AUTHORIZED, ERR_TPP_NOT_PASSPORTED
   */
  verifyRegistration(tpp: NamedTpp, trail: RuleLog): TppRecord {
    return thrown(this.#registration(tpp, trail));
  }

  #registration(tpp: NamedTpp, trail: RuleLog): TppRecord | OpenBankingError {
    const refuse = (rule: Rule, refusal: OpenBankingError) => {
      trail.note(() => ({ ...rule, refusal }));
      return refusal;
    };
    const record = this.#found(tpp);
    const said = this.#registry.explain?.(tpp.authorizationNumber, tpp.nca);
    if (said !== undefined)
      trail.note(() => ({ ...RULE.sources, found: said.join('; ') || 'none knows the TPP' }));
    if (record instanceof OpenBankingError) return refuse(RULE.registered, record);
    if (record === undefined) return refuse(RULE.registered, this.#unregistered(tpp));
    const { authorizationNumber, legalName, status, statusSince: since } = record;
    trail.note(() => ({ ...RULE.registered, found: legalName }));
    if (status !== 'active') {
      const details = { authorizationNumber, status, since };
      return refuse(RULE.active, new OpenBankingError('ERR_TPP_NOT_AUTHORIZED', details));
    }
    trail.note(() => ({ ...RULE.active, found: status }));
    const country = this.#hostCountry;
    if (country === undefined) return record;
    if (record.country !== country && !record.passportedCountries.includes(country)) {
      const details = { authorizationNumber, country };
      return refuse(RULE.passported, new OpenBankingError('ERR_TPP_NOT_PASSPORTED', details));
    }
    trail.note(() => RULE.passported);
    return record;
  }

  #found({ authorizationNumber, nca }: NamedTpp): TppRecord | OpenBankingError | undefined {
    try {
      return this.#registry.find(authorizationNumber, nca);
    } catch (error) {
      if (isRefusal(error)) return error;
      throw error;
    }
  }

  #unregistered({ authorizationNumber, nca = '' }: NamedTpp): OpenBankingError {
    const elsewhere = this.#found({ authorizationNumber, nca: undefined });
    if (elsewhere instanceof OpenBankingError) return elsewhere;
    if (elsewhere === undefined) {
      return new OpenBankingError('ERR_TPP_NOT_REGISTERED', { authorizationNumber, nca });
    }
    const expected = canonicalNca(elsewhere.nca.id) ?? elsewhere.nca.id;
    return new OpenBankingError('ERR_TPP_NCA_MISMATCH', { authorizationNumber, found: nca, expected });
  }

  #block({ authorizationNumber, certificate }: NamedTpp, nca: string): OpenBankingError | undefined {
    const block = this.#blockList?.find({ authorizationNumber, nca, certificate });
    if (block === undefined) return undefined;
    const { reason, since } = block;
    if (block.kind === 'tpp') {
      return new OpenBankingError('ERR_TPP_BLOCKED', { authorizationNumber, nca, since, reason });
    }
    const { issuer, serialNumber } = block;
    return new OpenBankingError('ERR_CERT_BLOCKED', { issuer, serialNumber, since, reason });
  }
}

/** The roles that certificate and register both grant. */
export function heldRoles(
  certified: readonly PspRole[],
  record: TppRecord,
  trail: RuleLog,
): ReadonlySet<PspRole> {
  return trail.check(
    RULE.roles,
    () => new Set(certified.filter((role) => record.roles.has(role))),
    (held) => [...held].join(', ') || 'none',
  );
}

/**
 * Proves that the roles cover every scope. A scope without a rule needs no role.
 *
 * @throws ERR_TPP_ROLE_MISSING for the first scope that they do not cover
 */
export function assertScopesAllowed(
  holder: { readonly authorizationNumber: string; readonly roles: ReadonlySet<PspRole> },
  scopes: readonly string[],
): void {
  const { authorizationNumber, roles } = holder;
  for (const scope of scopes) {
    const needed = NEEDED.get(scope);
    if (needed === undefined || roles.has(needed)) continue;
    throw new OpenBankingError('ERR_TPP_ROLE_MISSING', {
      authorizationNumber,
      scope,
      needed,
      held: Object.freeze([...roles]),
    });
  }
}

/** The scopes that the roles cover, in the order given. */
export function scopesAllowed(roles: ReadonlySet<PspRole>, scopes: readonly string[]): string[] {
  return scopes.filter((scope) => {
    const needed = NEEDED.get(scope);
    return needed === undefined || roles.has(needed);
  });
}

function thrown<T>(decided: T | OpenBankingError): T {
  if (decided instanceof OpenBankingError) throw decided;
  return decided;
}
