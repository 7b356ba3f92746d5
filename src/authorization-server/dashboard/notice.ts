import type { Context } from 'koa';
import { preparePage } from '../customer/pages/page-headers.ts';
import type { Pages } from '../customer/pages/pages.ts';
import { DASHBOARD_PATH } from '../request/routes.ts';

/** Why there is a notice in the place of a list. */
export type NoticeReason =
  | 'inactive'
  | 'logged-out'
  | 'cancelled'
  | 'attempts'
  | 'changed'
  | 'rejected'
  | 'no-factor'
  | 'unknown'
  | 'already-ended';

export interface Notice {
  readonly reason: NoticeReason;
  readonly status: number;
  /** Values of its sentence. */
  readonly values?: Readonly<Record<string, string>> | undefined;
  /** Whether the customer is logged in: the way leads to the list, and not to the login. */
  readonly isLoggedIn?: boolean | undefined;
}

/** One heading, one sentence and one way on. */
export function showNotice(
  ctx: Context,
  pages: Pages,
  { reason, status, values = {}, isLoggedIn = false }: Notice,
): void {
  preparePage(ctx, { hasForm: false });
  ctx.status = status;
  const path = isLoggedIn ? DASHBOARD_PATH : `${DASHBOARD_PATH}/login`;
  pages.show(ctx, 'dashboard/notice', { reason, values, isLoggedIn, path });
}
