import { OpenBankingError } from '../errors.ts';
import { canonicalNca, type PspRole, type TppRecord, type TppRegistry } from '../../tpp-registry/index.ts';
import type { TppCredential } from './credential.ts';
import type { RuleLog } from './decision.ts';

export interface StandingOptions {
  readonly registry: TppRegistry;
  /** ISO 3166-1. When set, a TPP of another country must be passported into it. */
  readonly hostCountry: string | undefined;
  readonly trail: RuleLog;
}

const RULE = Object.freeze({
  registered: { rule: 'registered', clause: 'PSD2 article 14' },
  active: { rule: 'authorized', clause: 'PSD2 articles 13, 14' },
  passported: { rule: 'passported', clause: 'PSD2 article 28' },
  roles: { rule: 'roles', clause: 'TS 119 495 cl. 5.2.2, PSD2 article 11' },
});

/**
 * Proves that the TPP of a credential may act here now, and gives its record. In memory, for every request.
 *
 * @throws ERR_TPP_NOT_REGISTERED, ERR_TPP_NCA_MISMATCH, ERR_TPP_NOT_AUTHORIZED, ERR_TPP_NOT_PASSPORTED
 */
export function proveStanding(credential: TppCredential, options: StandingOptions): TppRecord {
  const { authorizationNumber, statement } = credential;
  const { registry, hostCountry, trail } = options;
  const record = trail.check(
    RULE.registered,
    () => registeredAs(authorizationNumber, statement.nca.id, registry),
    ({ legalName }) => legalName,
  );
  trail.check(
    RULE.active,
    () => {
      const { status, statusSince: since } = record;
      if (status === 'active') return;
      throw new OpenBankingError('ERR_TPP_NOT_AUTHORIZED', { authorizationNumber, status, since });
    },
    () => record.status,
  );
  if (hostCountry !== undefined) {
    trail.check(RULE.passported, () => {
      if (record.country === hostCountry || record.passportedCountries.includes(hostCountry)) return;
      throw new OpenBankingError('ERR_TPP_NOT_PASSPORTED', { authorizationNumber, country: hostCountry });
    });
  }
  return record;
}

/** The roles that certificate and register both give. */
export function heldRoles(
  { statement }: TppCredential,
  record: TppRecord,
  trail: RuleLog,
): ReadonlySet<PspRole> {
  return trail.check(
    RULE.roles,
    () => new Set(statement.roles.filter((role) => record.roles.has(role))),
    (held) => [...held].join(', ') || 'none',
  );
}

function registeredAs(authorizationNumber: string, nca: string, registry: TppRegistry): TppRecord {
  const record = registry.find(authorizationNumber, nca);
  if (record !== undefined) return record;
  const elsewhere = registry.find(authorizationNumber);
  if (elsewhere === undefined)
    throw new OpenBankingError('ERR_TPP_NOT_REGISTERED', { authorizationNumber, nca });
  throw new OpenBankingError('ERR_TPP_NCA_MISMATCH', {
    authorizationNumber,
    found: nca,
    expected: canonicalNca(elsewhere.nca.id) ?? elsewhere.nca.id,
  });
}
