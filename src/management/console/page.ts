import type { Context } from 'koa';
import type { CallFacts } from '../management.ts';
import { stateOf } from '../management-state.ts';
import { mayDo, type Right } from '../operators/operator.ts';
import type { ConsoleTemplates } from './console-templates.ts';
import { sessionOf } from './entrance.ts';
import { changeText, count, day, duration, expiryChip, instant, roleText, statusChip } from './shown.ts';

const NAVIGATION = [
  ['/console', 'Overview'],
  ['/console/tpps', 'TPPs'],
  ['/console/clients', 'Clients'],
  ['/console/consents', 'Consents'],
  ['/console/blocks', 'Blocks'],
  ['/console/registers', 'Registers'],
  ['/console/keys', 'Keys'],
  ['/console/audit', 'Audit'],
] as const;

const FORMS = { changeText, count, day, duration, expiryChip, instant, roleText, statusChip };

/** Renders a page of the console around the operator. */
export function showPage(
  ctx: Context,
  templates: ConsoleTemplates,
  {
    template,
    title,
    ...view
  }: { readonly template: string; readonly title: string } & Record<string, unknown>,
): void {
  const { operator, csrfToken } = sessionOf(ctx);
  const may = (right: Right) => mayDo(operator, right);
  const common = { ...FORMS, operator, csrf: csrfToken, may, title };
  const body = templates.render(template, { ...common, ...view });
  const section = NAVIGATION.findLast(([path]) => ctx.path === path || ctx.path.startsWith(`${path}/`))?.[0];
  ctx.type = 'text/html; charset=utf-8';
  ctx.body = templates.render('layout', { ...common, body, navigation: NAVIGATION, section });
}

/** The caller of an operation for a page. */
export function callerOf(ctx: Context): CallFacts {
  const { requestId, origin } = stateOf(ctx);
  return { operator: sessionOf(ctx).operator, listener: origin.listener, requestId };
}
