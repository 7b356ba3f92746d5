import type { Consents } from '../consent/consent.ts';
import { isRefusal, OpenBankingError } from '../errors.ts';
import type { Tpp } from '../tpp/authenticate.ts';
import { providerError } from './refusal.ts';
import type { ReplayedGrants } from './replayed-grants.ts';
import { holderOf, type TokenHolder } from './token-holder.ts';
import type { StatusClaim, TokenStatus } from './token-status.ts';

interface TokenClaimsOptions {
  readonly consents: Consents;
  readonly tokenStatus: TokenStatus;
  readonly replayed: ReplayedGrants;
}

export interface IssuedToken {
  readonly clientId: string | undefined;
  readonly grantId: string | undefined;
  /** Whether no token of the grant can have been before this one. */
  readonly isFirstUse: boolean;
  /** Nobody gets the token before the work is done. */
  readonly answerAfter: (work: Promise<void>) => void;
}

/** What a resource server must know to decide alone: whose token it is, what stands behind it, where it may die. */
export async function tokenClaims(
  options: TokenClaimsOptions,
  tpp: Tpp | undefined,
  token: IssuedToken,
): Promise<Record<string, unknown>> {
  const { clientId, grantId, isFirstUse } = token;
  if (tpp === undefined || clientId === undefined) {
    throw providerError(new OpenBankingError('ERR_CERT_MISSING', {}));
  }
  const holder = holderOf(tpp, clientId);
  const consent = grantId === undefined ? undefined : options.consents.findByGrant(grantId);
  const [found, claim] = await Promise.all([
    consent,
    isFirstUse ? firstClaim(options, holder, token) : laterClaim(options, holder, { grantId, consent }),
  ]);
  return {
    status: claim,
    authorization_number: holder.authorizationNumber,
    nca: holder.nca,
    tpp_roles: holder.roles,
    ...(found === undefined ? {} : { consent_id: found.consentId }),
  };
}

/** After a code comes the refresh token, which cannot be written under a grant that has ended: it need not wait. */
async function firstClaim(
  options: TokenClaimsOptions,
  holder: TokenHolder,
  { grantId, answerAfter }: IssuedToken,
): Promise<StatusClaim> {
  const { tokenStatus } = options;
  let look = Promise.resolve();
  const takeLook = (taken: Promise<void>) => {
    look = taken;
  };
  const claim = await tokenStatus
    .reference(holder, grantId, { isFirstUse: true, takeLook })
    .catch((error: unknown) => deadClaim(options, holder, { grantId, error }));
  const killed = async (error: unknown) => {
    await assertReplayed(options, grantId, error);
    await tokenStatus.revoke(claim);
  };
  answerAfter(look.catch(killed));
  return claim;
}

/** A refresh looks last of all whether its grant has ended, so that no token follows the answer to a revocation. */
function laterClaim(
  options: TokenClaimsOptions,
  holder: TokenHolder,
  {
    grantId,
    consent,
  }: { readonly grantId: string | undefined; readonly consent: Promise<unknown> | undefined },
): Promise<StatusClaim> {
  return options.tokenStatus
    .reference(holder, grantId, { meanwhile: consent })
    .catch((error: unknown) => deadClaim(options, holder, { grantId, error }));
}

/** The first use of the code succeeds, with a token that is dead. */
async function deadClaim(
  options: TokenClaimsOptions,
  holder: TokenHolder,
  { grantId, error }: { readonly grantId: string | undefined; readonly error: unknown },
): Promise<StatusClaim> {
  await assertReplayed(options, grantId, error);
  const claim = await options.tokenStatus.reference(holder, undefined);
  await options.tokenStatus.revoke(claim);
  return claim;
}

/** Whether the grant has ended because its code was used again, and for no other reason. */
async function assertReplayed(
  { replayed }: TokenClaimsOptions,
  grantId: string | undefined,
  error: unknown,
): Promise<void> {
  const hasEnded = isRefusal(error, 'ERR_STORAGE_REVOKED') && grantId !== undefined;
  if (hasEnded && (await replayed.has(grantId))) return;
  throw isRefusal(error) ? providerError(error) : error;
}
