import type { Context } from 'koa';
import type { RequestOrigin } from './managed-request.ts';
import type { Operator } from './operators/operator.ts';

/** The facts of a request that all middleware shares. */
export interface ManagementState {
  readonly requestId: string;
  readonly origin: RequestOrigin;
  operator?: Operator;
  route?: string;
}

/** The state that `ManagementApi` has set. */
export function stateOf(ctx: Context): ManagementState {
  return ctx.state as ManagementState;
}
