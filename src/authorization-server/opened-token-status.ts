import type { Clock } from '../clock.ts';
import type { Store } from '../storage/store.ts';
import type { AuthorisationStatus } from '../tpp/authorisation-status.ts';
import type { Clients } from './clients/clients.ts';
import { STATUS_LIST_PATH } from './request/routes.ts';
import type { FollowedSigner } from './signing/signer.ts';
import type { RevokedCertificates } from './token-status/revoked-certificates.ts';
import { statusIdHash } from './token-status/revoked-grants.ts';
import { type HolderCertificate, isHolderAuthorised } from './token-status/token-holder.ts';
import { TokenStatus } from './token-status/token-status.ts';

/** The parts of a server by which the status of its tokens is decided. */
export interface TokenStatusSettings {
  readonly store: Store;
  readonly secret: Buffer;
  readonly clock: Clock;
  readonly issuer: string;
  readonly signer: FollowedSigner;
  readonly clients: Clients;
  readonly accessTokenSeconds: number;
  readonly authorisationStatus: AuthorisationStatus;
  /** Whether this process knows that a certificate is revoked: its tokens end. */
  readonly isRevoked: (certificate: HolderCertificate) => boolean;
  /** Certificates that other processes found revoked. */
  readonly revokedCertificates: Pick<RevokedCertificates, 'read'>;
}

/** Opens the status of tokens, which follows clients, TPPs and certificates. */
export function openTokenStatus(options: TokenStatusSettings): TokenStatus {
  const { store, secret, clock, authorisationStatus, isRevoked } = options;
  return new TokenStatus({
    store,
    accessTokenSeconds: options.accessTokenSeconds,
    hashId: statusIdHash(secret),
    authorisedHolders: async (holders) => {
      const find = await options.clients.finderOf(holders.map(({ clientId }) => clientId));
      const rules = { authorisationStatus, clients: { find }, isRevoked };
      return (holder) => isHolderAuthorised(holder, rules);
    },
    revokedCertificates: options.revokedCertificates,
    clock,
    signer: options.signer,
    issuer: options.issuer,
    listBaseUrl: new URL(STATUS_LIST_PATH, options.issuer).href,
  });
}
