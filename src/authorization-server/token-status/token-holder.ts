import { isRefusal } from '../../errors.ts';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import type { ClientFinder } from '../clients/clients.ts';
import { isClientOf, type RegisteredClient } from '../clients/registered-client.ts';

/** The client, TPP and certificate of a token, all of which must stay valid while the token is. */
export interface TokenHolder {
  readonly clientId: string;
  readonly authorizationNumber: string;
  readonly nca: string;
  /** Roles that the scopes of the token were cut to. */
  readonly roles: readonly string[];
  /** The certificate that was presented; absent for a client that may come without one. */
  readonly certificate?: HolderCertificate | undefined;
}

/** A thumbprint does not name a certificate: a signature has twins (A5). */
export interface HolderCertificate {
  /** RFC 4514 string. */
  readonly issuer: string;
  /** Hexadecimal SHA-256 of the issuer's SubjectPublicKeyInfo: two issuers may share a name (F23). */
  readonly issuerKeyHash: string;
  readonly serialNumber: string;
}

export interface HolderRules {
  readonly authorisationStatus: AuthorisationStatus;
  readonly clients: { readonly find: ClientFinder };
  /** Whether a certificate is known to be revoked. Default: none is. */
  readonly isRevoked?: ((certificate: HolderCertificate) => boolean) | undefined;
}

/**
 * Whether tokens of a holder may be used now: its TPP may act and holds every role, its client is registered for this
 * TPP, its certificate is not known to be revoked. A holder without a certificate needs a client that is still bound to none.
 * Synchronous and in memory: decided for every block of a list.
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
    isCertificateInOrder(holder, client, rules)
  );
}

function isCertificateInOrder(
  { certificate }: TokenHolder,
  client: RegisteredClient,
  { isRevoked }: HolderRules,
): boolean {
  if (certificate === undefined) return client.sender_constraint === 'dpop';
  return isRevoked?.(certificate) !== true;
}
