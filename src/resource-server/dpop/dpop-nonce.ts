import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';

const STEP_SECONDS = 60;

/**
 * Nonces for DPoP proofs (RFC 9449 §9), made from the time and a secret, so that nothing is stored. The result throws
 * ERR_DPOP_NONCE, with the nonce to use, for any nonce but those of this minute and the last.
 *
 * @throws TypeError for a secret of less than 32 bytes
 */
export function nonceVerifier(secret: Buffer, clock: Clock): (nonce: unknown) => void {
  if (secret.length < 32) throw new TypeError('the nonce secret must have at least 32 bytes');
  const nonceOf = (at: number) => createHmac('sha256', secret).update(`dpop\0${at}`).digest('base64url');
  return (nonce) => {
    const now = Math.floor(epochSeconds(clock.now()) / STEP_SECONDS);
    const given = Buffer.from(typeof nonce === 'string' ? nonce : '');
    const isKnown = [now, now - 1].some((at) => {
      const expected = Buffer.from(nonceOf(at));
      return expected.length === given.length && timingSafeEqual(expected, given);
    });
    if (!isKnown) throw new OpenBankingError('ERR_DPOP_NONCE', { nonce: nonceOf(now) });
  };
}
