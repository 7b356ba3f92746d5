import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';

/** Nonces for DPoP proofs (RFC 9449 §9): made from the time and a secret, so that nothing is stored. */
export interface DpopNonces {
  /** The nonce of this minute. */
  current(): string;
  /** @throws ERR_DPOP_NONCE, with the nonce to use, for any but those of this minute and the last */
  verify(nonce: unknown): void;
}

const STEP_SECONDS = 60;

/** @throws TypeError for a secret of less than 32 bytes */
export function createDpopNonces(secret: Buffer, clock: Clock): DpopNonces {
  if (secret.length < 32) throw new TypeError('the nonce secret must have at least 32 bytes');
  const step = () => Math.floor(epochSeconds(clock.now()) / STEP_SECONDS);
  const nonceOf = (at: number) => createHmac('sha256', secret).update(`dpop\0${at}`).digest('base64url');
  return {
    current: () => nonceOf(step()),
    verify(nonce) {
      const now = step();
      const given = Buffer.from(typeof nonce === 'string' ? nonce : '');
      const isKnown = [now, now - 1].some((at) => {
        const expected = Buffer.from(nonceOf(at));
        return expected.length === given.length && timingSafeEqual(expected, given);
      });
      if (!isKnown) throw new OpenBankingError('ERR_DPOP_NONCE', { nonce: nonceOf(now) });
    },
  };
}
