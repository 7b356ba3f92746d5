import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { identifierHash } from '../../storage/record-protection.ts';
import type { Store } from '../../storage/store.ts';
import { CIBA_GRANT } from '../clients/registered-client.ts';
import { errors, grantHandlerOf } from '../provider-internals.ts';
import { providerError } from '../request/oauth-error.ts';

interface PollingOptions {
  readonly store: Pick<Store, 'putIfAbsent'>;
  readonly clock: Clock;
  readonly secret: Buffer;
}

/** How long a client waits between two polls. CIBA §7.3: this is also what an absent `interval` means. */
export const POLL_SECONDS = 5;
/** A poll that the network brings this much early is in time. */
const EARLY_SECONDS = 1;
const KIND = 'ApprovalPoll';

/**
 * The grant of CIBA, with the answers to a poll that the provider lacks or has without a code of ours. A request that waits may
 * be polled once in an interval, at whichever process: beyond that the answer is `slow_down`, and costs one read.
 */
export function servePolls(provider: Provider, { store, clock, secret }: PollingOptions): void {
  const exchange = grantHandlerOf(provider, CIBA_GRANT);
  const hash = identifierHash(secret);
  const isInTime = (authReqId: string) => {
    const expiresAt = new Date(clock.now().getTime() + (POLL_SECONDS - EARLY_SECONDS) * 1000);
    return store.putIfAbsent(KIND, hash(KIND, authReqId), { value: null, expiresAt });
  };
  const handler = async (ctx: KoaContextWithOIDC): Promise<void> => {
    try {
      await exchange(ctx);
    } catch (error) {
      if (error instanceof errors.AuthorizationPending) {
        const isWaiting = await isInTime(String(ctx.oidc.params?.auth_req_id));
        throw providerError(
          isWaiting
            ? new OpenBankingError('ERR_APPROVAL_PENDING', {})
            : new OpenBankingError('ERR_APPROVAL_SLOW_DOWN', { seconds: POLL_SECONDS }),
        );
      }
      if (error instanceof errors.ExpiredToken) {
        throw providerError(new OpenBankingError('ERR_APPROVAL_EXPIRED', {}));
      }
      if (error instanceof errors.AccessDenied) {
        const problem = error.error_description ?? 'the customer rejected the request';
        throw providerError(new OpenBankingError('ERR_APPROVAL_DENIED', { problem }));
      }
      throw error;
    }
  };
  provider.registerGrantType(CIBA_GRANT, handler, ['auth_req_id', 'resource'], ['resource']);
}
