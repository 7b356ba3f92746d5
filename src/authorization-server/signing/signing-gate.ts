import type { Middleware } from 'koa';
import { OpenBankingError } from '../../errors.ts';
import type { FollowedSigner } from './signer.ts';

/**
 * Refuses a token request while it is known that no signature can be made, before a code or a refresh token is used up
 * for tokens that could not be signed.
 */
export function ableToSign(signer: Pick<FollowedSigner, 'problem'>): Middleware {
  return (_ctx, next) => {
    const { problem } = signer;
    if (problem !== undefined) throw new OpenBankingError('ERR_SIGNING_UNAVAILABLE', { problem });
    return next();
  };
}
