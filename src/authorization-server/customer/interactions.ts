import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { Provider } from 'oidc-provider';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import { AspspCalls } from './aspsp-calls.ts';
import type { Aspsp } from './aspsp.ts';
import { Authentication } from './authentication.ts';
import { ConsentDecision, type ConsentOptions } from './consent-decision.ts';
import {
  finishInteraction,
  interactionFields,
  type OpenInteraction,
  openInteraction,
} from './open-interaction.ts';
import { OwnForms, readForm } from './own-forms.ts';
import type { Pages } from './pages/pages.ts';

export interface InteractionOptions extends ConsentOptions {
  readonly authorisationStatus: AuthorisationStatus;
  readonly aspsp: Aspsp;
  /** How long one call of the bank may take. */
  readonly aspspCallSeconds: number;
  readonly secret: Buffer;
}

/** Login and consent, as plain forms at `/interaction/:uid`. Every way out goes through the provider. */
export function interactions(
  options: InteractionOptions,
  { provider, pages }: { readonly provider: Provider; readonly pages: Pages },
): Middleware {
  const { authorisationStatus, clock, log } = options;
  const { issuer } = provider;
  const forms = new OwnForms({ secret: options.secret, origin: new URL(issuer).origin });
  const aspsp = new AspspCalls({ aspsp: options.aspsp, callSeconds: options.aspspCallSeconds, clock });
  const login = new Authentication({ aspsp, pages, forms, issuer, clock, log });
  const consent = new ConsentDecision(options, { provider, aspsp, pages, forms });
  const router = new Router();
  router.get('/assets/bank.css', (ctx) => {
    ctx.set('cache-control', 'public, max-age=3600');
    ctx.type = 'css';
    ctx.body = pages.stylesheet;
  });
  router.get('/interaction/:uid', async (ctx) => {
    const open = await openInteraction(ctx, provider, authorisationStatus);
    await (open.prompt === 'login' ? login : consent).show(ctx, open);
  });
  router.post('/interaction/:uid', readForm, async (ctx) => {
    const open = await openInteraction(ctx, provider, authorisationStatus);
    const form = forms.read(ctx, open);
    const action = form.get('action');
    if (action === 'cancel') return cancel(ctx, open, { log, pages });
    if (action === 'login' && open.prompt === 'login') return login.answer(ctx, open, form);
    if (action === 'approve' && open.prompt === 'consent') return consent.approve(ctx, open, form);
    throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'the action does not belong to this page' });
  });
  return router.routes() as unknown as Middleware;
}

function cancel(
  ctx: Context,
  open: OpenInteraction,
  { log, pages }: { readonly log: Log; readonly pages: Pages },
): Promise<void> {
  log.emit('consent.denied', interactionFields(ctx, open));
  const result = { error: 'access_denied', error_description: 'the customer cancelled' };
  return finishInteraction(ctx, open, { pages, result });
}
