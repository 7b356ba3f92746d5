import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import { OpenBankingError } from '../../errors.ts';
import { isBoundToCertificate, isBoundToKey, senderConstraintOf } from '../profiles/sender-constraint.ts';
import { refusedProof } from '../request/dpop-proof.ts';
import { providerError } from '../request/oauth-error.ts';
import { gateCertificate } from '../request/tpp-gate.ts';

/** An access token of the provider that is about to be made. */
export interface TokenToBind {
  readonly client?: Client | undefined;
  /** The DPoP key, where the provider has verified a proof. */
  readonly jkt?: string | undefined;
  'x5t#S256'?: string | undefined;
}

/**
 * The last step before an access token exists, in every grant: the token has exactly the confirmations that the sender
 * constraint of its client demands (RFC 8705 §3.1, RFC 9449 §6). Adds the certificate where the provider has left it to us.
 *
 * @throws ERR_CERT_MISSING, ERR_DPOP_PROOF, ERR_DPOP_UNREGISTERED, as provider errors
 */
export function bindToken(ctx: KoaContextWithOIDC | undefined, token: TokenToBind): void {
  const { client } = token;
  if (ctx === undefined || client === undefined)
    throw new TypeError('an access token is made for no request');
  const constraint = senderConstraintOf(client);
  if (isBoundToKey(constraint) && token.jkt === undefined)
    throw providerError(refusedProof('there is no proof'));
  if (!isBoundToKey(constraint) && token.jkt !== undefined) {
    throw providerError(new OpenBankingError('ERR_DPOP_UNREGISTERED', { clientId: client.clientId }));
  }
  if (!isBoundToCertificate(constraint)) return;
  const certificate = gateCertificate(ctx);
  if (certificate === undefined) throw providerError(new OpenBankingError('ERR_CERT_MISSING', {}));
  token['x5t#S256'] = certificate.thumbprint;
}
