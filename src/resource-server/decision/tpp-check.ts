import { OpenBankingError } from '../../errors.ts';
import type { PresentedCertificate } from '../../mutual-tls/client-certificate.ts';
import type { Authorization } from '../token/access-token.ts';
import type { Requirement } from './requirement.ts';

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

/**
 * Runs the check and compares the token with its result: the token must be of this TPP, and a role that the
 * request needs must be held now.
 *
 * @throws what the check throws; ERR_TPP_CLIENT_MISMATCH, ERR_TPP_ROLE_MISSING
 */
export async function verifyTpp(
  check: TppCheck,
  certificate: PresentedCertificate,
  {
    authorization,
    requirement,
  }: { readonly authorization: Authorization; readonly requirement: Requirement },
): Promise<void> {
  const { authorizationNumber, roles } = await check(certificate);
  if (authorization.authorizationNumber !== authorizationNumber) {
    throw new OpenBankingError('ERR_TPP_CLIENT_MISMATCH', {
      authorizationNumber,
      clientId: authorization.clientId,
    });
  }
  const needed = requirement.roles?.find((role) => !roles.has(role));
  if (needed === undefined) return;
  throw new OpenBankingError('ERR_TPP_ROLE_MISSING', {
    authorizationNumber,
    scope: requirement.scopes.join(' '),
    needed,
    held: [...roles],
  });
}
