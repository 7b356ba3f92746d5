import { OpenBankingError } from '../../errors.ts';
import type { PresentedCertificate } from '../../mutual-tls/client-certificate.ts';
import type { Authorization } from '../token/access-token.ts';
import { type Requirement, verifyRoles } from './requirement.ts';

/** The result of a check of the TPP. The `Tpp` of the authorization server's authenticator is one. */
export interface CheckedTpp {
  readonly authorizationNumber: string;
  readonly roles: ReadonlySet<string>;
}

/**
 * Proves the TPP of a certificate: path, revocation and authorisation status. `authenticate` of a running server does.
 *
 * @throws a refusal
 */
export type TppCheck = (certificate: PresentedCertificate) => CheckedTpp | Promise<CheckedTpp>;

interface CheckedRequest {
  readonly authorization: Authorization;
  readonly requirement: Requirement;
}

/**
 * Compares the token with the TPP of the certificate: the token must be of this TPP, and a role that the request needs
 * must be held now.
 *
 * @throws ERR_TPP_CLIENT_MISMATCH, ERR_TPP_ROLE_MISSING
 */
export function verifyTpp(
  { authorizationNumber, roles }: CheckedTpp,
  { authorization, requirement }: CheckedRequest,
): void {
  if (authorization.authorizationNumber !== authorizationNumber) {
    const { clientId } = authorization;
    throw new OpenBankingError('ERR_TPP_CLIENT_MISMATCH', { authorizationNumber, clientId });
  }
  verifyRoles(requirement, [...roles], authorizationNumber);
}
