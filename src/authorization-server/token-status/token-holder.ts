import { isRefusal } from '../../errors.ts';
import type { Tpp } from '../../tpp/authenticate.ts';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import type { ClientFinder } from '../clients/clients.ts';
import { isClientOf } from '../clients/registered-client.ts';

/** The client, TPP and certificate of a token, all of which must stay valid while the token is. */
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

export interface HolderRules {
  readonly authorisationStatus: AuthorisationStatus;
  readonly clients: { readonly find: ClientFinder };
  /** Whether a certificate is known to be revoked. Default: none is. */
  readonly isRevoked?: (certificate: TokenHolder['certificate']) => boolean;
}

/**
 * Whether tokens of a holder may be used now: its TPP may act and holds every role, its client is registered for this
 * TPP, its certificate is not known to be revoked. Synchronous and in memory: decided for every block of a list.
 */
export function isHolderAuthorised(holder: TokenHolder, rules: HolderRules): boolean {
  const decided = rules.authorisationStatus.decide(holder);
  if (isRefusal(decided)) return false;
  const roles: ReadonlySet<string> = decided.roles;
  const client = rules.clients.find(holder.clientId);
  return (
    holder.roles.every((role) => roles.has(role)) &&
    client !== undefined &&
    isClientOf(client, holder) &&
    rules.isRevoked?.(holder.certificate) !== true
  );
}
