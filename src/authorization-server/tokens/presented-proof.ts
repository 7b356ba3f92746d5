import type { Context } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { type Provider, runInContext, type VerifiedProof, verifyProof } from '../provider-internals.ts';
import { dpopRefusal } from '../request/dpop-problems.ts';
import { assertProofForm, hasProof, refusedProof } from '../request/dpop-proof.ts';

/** An access token that is presented at an endpoint of this server. */
export interface PresentedToken {
  readonly scheme: string;
  readonly token: string;
  readonly clientId: string;
  /** The DPoP key that the token is bound to. */
  readonly jkt: string | undefined;
}

/** Longer than the life of a proof, and than that of a nonce. */
const REMEMBERED_SECONDS = 300;

/**
 * Verifies that an access token of a DPoP key comes with a proof of that key for this request, and that the proof is new; and
 * that no other token comes with one (RFC 9449 §7.1, §7.2). `url` is the address of the endpoint.
 *
 * @throws ERR_DPOP_PROOF, ERR_DPOP_NONCE, ERR_TOKEN_INVALID, ERR_CLIENT_LIMIT
 */
export async function verifyPresentedProof(
  ctx: Context,
  presented: PresentedToken,
  { provider, clock, url }: { readonly provider: Provider; readonly clock: Clock; readonly url: string },
): Promise<void> {
  const isProof = presented.scheme.toLowerCase() === 'dpop';
  if (presented.jkt === undefined) {
    if (isProof || hasProof(ctx.req)) throw refusedProof('the token is bound to no DPoP key');
    return;
  }
  if (!isProof) throw refusedProof('the token is bound to a key, and was sent as Bearer');
  if (!hasProof(ctx.req)) throw refusedProof('there is no proof');
  assertProofForm(ctx.req, clock);
  const context = await contextOf(ctx, presented.clientId, { provider, url });
  await runInContext(context, async () => {
    const { thumbprint, jti } = await verified(context, presented.token, provider);
    if (thumbprint !== presented.jkt) throw refusedProof('the key is not the one that the token is bound to');
    const until = epochSeconds(clock.now()) + REMEMBERED_SECONDS;
    const isNew = await provider.ReplayDetection.unique(presented.clientId, jti, until);
    if (!isNew) throw refusedProof('the proof was used before');
  });
}

/** The context that the provider needs for a proof: the client, and the address that the proof must name. */
async function contextOf(
  ctx: Context,
  clientId: string,
  { provider, url }: { readonly provider: Provider; readonly url: string },
): Promise<KoaContextWithOIDC> {
  const client = await provider.Client.find(clientId);
  if (client === undefined) {
    throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: 'its client is not registered' });
  }
  const oidc = new provider.OIDCContext(ctx as never);
  oidc.entity('Client', client);
  return Object.assign(ctx, { oidc: Object.assign(oidc, { urlFor: () => url }) }) as KoaContextWithOIDC;
}

async function verified(
  context: KoaContextWithOIDC,
  token: string,
  provider: Provider,
): Promise<VerifiedProof> {
  try {
    return await verifyProof(provider, context, token);
  } catch (error) {
    throw dpopRefusal(context, error) ?? error;
  }
}
