import type { Tpp } from '../../tpp/authenticate.ts';
import type { TppRegistry } from '../../../tpp-registry/index.ts';

/** On whose behalf a token was issued: what must still be in order while it lives. */
export interface TokenHolder {
  readonly clientId: string;
  readonly authorizationNumber: string;
  readonly nca: string;
  /** Roles that its scopes were cut to. */
  readonly roles: readonly string[];
  /** The certificate that the token is bound to. A thumbprint would not do: a signature has twins (threats §0). */
  readonly certificate: {
    /** RFC 4514 string. */
    readonly issuer: string;
    /** Hexadecimal SHA-256 of the issuer's SubjectPublicKeyInfo: two issuers may share a name (F23). */
    readonly issuerKeyHash: string;
    readonly serialNumber: string;
  };
}

/** Whether tokens of the holder may be used now. Synchronous and in memory: asked for every block of a list. */
export type HolderStanding = (holder: TokenHolder) => boolean;

export interface HolderStandingOptions {
  readonly registry: TppRegistry;
  /** Whether the client is registered, for this TPP. */
  readonly isClientOf: (clientId: string, authorizationNumber: string) => boolean;
  readonly hostCountry?: string;
  /** Further reasons to refuse, such as a block list or a certificate that is known to be revoked. */
  readonly isRefused?: (holder: TokenHolder) => boolean;
}

const known = new WeakMap<Tpp, Map<string, TokenHolder>>();

/** The same object for the same client of one proven TPP. Frozen. */
export function holderOf(tpp: Tpp, clientId: string): TokenHolder {
  const holders = known.get(tpp) ?? new Map<string, TokenHolder>();
  known.set(tpp, holders);
  const holder = holders.get(clientId) ?? madeHolder(tpp, clientId);
  holders.set(clientId, holder);
  return holder;
}

function madeHolder(tpp: Tpp, clientId: string): TokenHolder {
  return Object.freeze({
    clientId,
    authorizationNumber: tpp.authorizationNumber,
    nca: tpp.nca.id,
    roles: [...tpp.roles].sort(),
    certificate: {
      issuer: tpp.certificate.issuer,
      issuerKeyHash: tpp.certificate.issuerKeyHash,
      serialNumber: tpp.certificate.serialNumber,
    },
  });
}

/** Judges by the registry of this moment, the registered clients and what else is given. In doubt it says no. */
export function createHolderStanding(options: HolderStandingOptions): HolderStanding {
  const { registry, hostCountry, isClientOf, isRefused } = options;
  return (holder) => {
    const record = registry.find(holder.authorizationNumber, holder.nca);
    if (record === undefined || record.status !== 'active') return false;
    const isHere =
      hostCountry === undefined ||
      record.country === hostCountry ||
      record.passportedCountries.includes(hostCountry);
    const roles: ReadonlySet<string> = record.roles;
    return (
      isHere &&
      holder.roles.every((role) => roles.has(role)) &&
      isClientOf(holder.clientId, holder.authorizationNumber) &&
      isRefused?.(holder) !== true
    );
  };
}
