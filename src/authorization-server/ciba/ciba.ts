import type { Configuration, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Middleware } from 'koa';
import type { AspspCalls } from '../customer/bank/aspsp-calls.ts';
import type { Aspsp } from '../customer/bank/aspsp.ts';
import { Decisions } from '../customer/consent/decisions.ts';
import type { AskedAccesses } from '../customer/consent/asked-access.ts';
import type { Approvals } from '../customer/bank/decoupled-approval.ts';
import { connectBank } from '../customer/bank/timed-calls.ts';
import type { GrantedConsents, GrantedConsentsOptions } from '../customer/consent/granted-consent.ts';
import type { Store } from '../../storage/store.ts';
import { ApprovalRecords } from './approval-records.ts';
import { BackchannelRequests, type BackchannelRequestsOptions } from './backchannel-requests.ts';
import { CustomerApprovals } from './customer-approvals.ts';
import { Notifications, type NotificationsOptions } from './notifications.ts';
import { OpenRequests } from './open-requests.ts';
import { POLL_SECONDS, servePolls } from './polling.ts';

export interface CibaOptions
  extends BackchannelRequestsOptions,
    GrantedConsentsOptions,
    NotificationsOptions {
  readonly aspsp: Pick<Aspsp, 'decoupled'>;
  readonly calls: AspspCalls;
  readonly accesses: AskedAccesses;
  readonly store: Store;
  readonly secret: Buffer;
}

/** OpenID CIBA (FAPI-CIBA ID1): a customer is asked on a device of his own, and the TPP polls or is pinged. */
export class Ciba {
  readonly #options: CibaOptions;
  readonly #records: ApprovalRecords;
  readonly #open: OpenRequests;
  readonly #requests: BackchannelRequests;
  readonly #notifications: Notifications;
  #approvals: CustomerApprovals | undefined;

  constructor(options: CibaOptions) {
    this.#options = options;
    this.#records = new ApprovalRecords(options);
    this.#open = new OpenRequests(options);
    this.#notifications = new Notifications(options);
    this.#requests = new BackchannelRequests(options, {
      calls: options.calls,
      records: this.#records,
      open: this.#open,
      accesses: options.accesses,
      fail: (approvalId) => this.#served.fail(approvalId),
    });
  }

  /** The part of the provider's configuration. */
  get feature(): NonNullable<NonNullable<Configuration['features']>['ciba']> {
    return this.#requests.feature;
  }

  /** The life of a request. */
  secondsOf(ctx: KoaContextWithOIDC): number {
    return this.#requests.secondsOf(ctx);
  }

  /** Completes the provider that was made with `feature`, and connects the bank. */
  serve(provider: Provider, granted: GrantedConsents): Approvals {
    const { aspsp } = this.#options;
    servePolls(provider, this.#options);
    const approvals = new CustomerApprovals(this.#options, {
      provider,
      granted,
      records: this.#records,
      decisions: new Decisions(this.#options),
      calls: this.#options.calls,
      accesses: this.#options.accesses,
      open: this.#open,
      notifications: this.#notifications,
    });
    this.#approvals = approvals;
    connectBank('decoupled', () => aspsp.decoupled?.connect(approvals));
    return approvals;
  }

  close(): Promise<void> {
    return this.#notifications.close();
  }

  get #served(): CustomerApprovals {
    if (this.#approvals === undefined) throw new TypeError('CIBA is not being served yet');
    return this.#approvals;
  }
}

/** Adds the interval of polls to the answer of the provider (CIBA §7.3). */
export const tellInterval: Middleware = async (ctx, next) => {
  await next();
  if (ctx.status === 200) Object.assign(ctx.body as object, { interval: POLL_SECONDS });
};
