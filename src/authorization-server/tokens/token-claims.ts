import type { Consent, Consents } from '../../consent/consent.ts';
import { OpenBankingError, isRefusal } from '../../errors.ts';
import type { Tpp } from '../../tpp/authenticate.ts';
import type { ClaimsAhead } from '../models/claims-reader.ts';
import { providerError } from '../request/refusal.ts';
import type { ReplayedGrants } from '../models/replayed-grants.ts';
import type { GrantState } from '../token-status/status-entries.ts';
import { holderOf, type TokenHolder } from '../token-status/token-holder.ts';
import type { StatusClaim, TokenStatus } from '../token-status/token-status.ts';

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
  /** What was read earlier in the request. */
  readonly ahead: ClaimsAhead | undefined;
  /** Nobody gets the token before the work is done. */
  readonly answerAfter: (work: Promise<void>) => void;
}

/** What a resource server must know to decide alone: whose token it is, what stands behind it, where it may die. */
export async function tokenClaims(
  options: TokenClaimsOptions,
  tpp: Tpp | undefined,
  token: IssuedToken,
): Promise<Record<string, unknown>> {
  const { clientId, grantId } = token;
  if (tpp === undefined || clientId === undefined) {
    throw providerError(new OpenBankingError('ERR_CERT_MISSING', {}));
  }
  const holder = holderOf(tpp, clientId);
  const consent =
    grantId === undefined ? undefined : (token.ahead?.consent ?? options.consents.findByGrant(grantId));
  const [found, claim] = await Promise.all([
    consent,
    grantId === undefined
      ? options.tokenStatus.reference(holder, grantId)
      : claimOfGrant(options, holder, { ...token, grantId, consent }),
  ]).catch((error: unknown) => {
    throw isRefusal(error) ? providerError(error) : error;
  });
  return {
    status: claim,
    authorization_number: holder.authorizationNumber,
    nca: holder.nca,
    tpp_roles: holder.roles,
    ...(found === undefined ? {} : { consent_id: found.consentId }),
  };
}

interface GrantToken extends IssuedToken {
  readonly grantId: string;
  readonly consent: Promise<Consent | undefined> | undefined;
}

/**
 * The last look whether the grant has ended is waited for before the answer only, so that no token follows the answer
 * to a revocation. Meanwhile the tokens are written, which those of a grant that has ended cannot be.
 */
async function claimOfGrant(
  options: TokenClaimsOptions,
  holder: TokenHolder,
  { grantId, isFirstUse, ahead, consent, answerAfter }: GrantToken,
): Promise<StatusClaim> {
  const { tokenStatus } = options;
  let look = Promise.resolve<GrantState>('open');
  const claim = await tokenStatus.reference(holder, grantId, {
    ahead: ahead?.entry,
    takeLook: (taken) => {
      look = taken;
    },
    // A first token need not wait: what it is about has just been agreed to.
    ...(isFirstUse ? { isFirstUse } : { meanwhile: consent }),
  });
  answerAfter(look.then((state) => judge(options, { state, grantId, claim })));
  return claim;
}

/** The first use of a code that is replayed meanwhile succeeds, with a token that is dead. */
async function judge(
  { tokenStatus, replayed }: TokenClaimsOptions,
  {
    state,
    grantId,
    claim,
  }: { readonly state: GrantState; readonly grantId: string; readonly claim: StatusClaim },
): Promise<void> {
  if (state === 'open') return;
  // Its end may have been marked once more, for another reason.
  if (state === 'replayed' || (await replayed.has(grantId))) return tokenStatus.revoke(claim);
  throw new OpenBankingError('ERR_STORAGE_REVOKED', { kind: 'Grant' });
}
