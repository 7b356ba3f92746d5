import type { Context } from 'koa';
import { OpenBankingError } from '../../errors.ts';
import { refusedProof } from './dpop-proof.ts';

/** The provider's texts about DPoP, each by a part, in our words. The provider answers some of them by `invalid_grant`. */
const PROBLEMS: readonly (readonly [said: string, problem: string])[] = [
  ['proof JWT not provided', 'there is no proof'],
  ['missing DPoP proof', 'there is no proof'],
  ['Replay detected', 'the proof was used before'],
  ['htm mismatch', 'htm is not the method of the request'],
  ['htu mismatch', 'htu is not the address of the request'],
  ['ath mismatch', 'ath is not the hash of the token'],
  ['nonces are not supported', 'nonce: this server issues none'],
  ['proof nonce must be', 'nonce must be a text'],
  ['signature verification failed', 'the signature does not verify with the jwk'],
];

/** A refusal of DPoP by the provider, in our catalogue's words; undefined for every other error. */
export function dpopRefusal(ctx: Pick<Context, 'response'>, fault: unknown): OpenBankingError | undefined {
  const {
    error,
    error_description: description,
    error_detail: detail,
  } = fault as Partial<Record<string, unknown>>;
  const said = [description, detail].filter((text) => typeof text === 'string').join(': ');
  if (error === 'use_dpop_nonce') {
    return new OpenBankingError('ERR_DPOP_NONCE', { nonce: String(ctx.response.get('dpop-nonce')) });
  }
  if (said.includes('does not match dpop_jkt')) return new OpenBankingError('ERR_DPOP_KEY', {});
  const problem = PROBLEMS.find(([part]) => said.includes(part))?.[1];
  if (error !== 'invalid_dpop_proof')
    return said.includes('DPoP') && problem ? refusedProof(problem) : undefined;
  return refusedProof(problem ?? said.slice(0, 200), fault);
}
