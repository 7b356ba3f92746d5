import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { Provider } from 'oidc-provider';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import { BankApp } from './bank-app/bank-app.ts';
import type { OpenedBankApp } from './bank-app/opened-bank-app.ts';
import type { AcrOptions, AspspCalls } from './bank/aspsp-calls.ts';
import { Authentication, type StrongAuthenticationParts } from './authentication/authentication.ts';
import { InteractionOccasions } from './authentication/interaction-occasion.ts';
import type { Profiles } from '../profiles/profiles.ts';
import type { CustomerClaim } from './claims/customer-claims.ts';
import type { AskedAccesses } from './consent/asked-access.ts';
import { ConsentDecision } from './consent/consent-decision.ts';
import { Decisions } from './consent/decisions.ts';
import type { GrantedConsents, GrantedConsentsOptions } from './consent/granted-consent.ts';
import { LoginAttempts, type LoginAttemptsOptions } from './authentication/login-attempts.ts';
import type { OpenInteraction } from './open-interaction.ts';
import { OwnForms, readForm } from './own-forms.ts';
import type { Pages } from './pages/pages.ts';
import { Visits } from './visits.ts';

export interface InteractionOptions extends GrantedConsentsOptions {
  readonly log: Log;
  readonly authorisationStatus: AuthorisationStatus;
  readonly acr: AcrOptions;
  readonly profiles: Profiles;
  /** Claims about customers that this bank gives to TPPs. */
  readonly customerClaims: readonly CustomerClaim[];
  readonly secret: Buffer;
  /** The application of the bank in which customers log in and decide. Absent: our pages ask. */
  readonly bankApp?: { readonly url: string } | undefined;
  readonly store: LoginAttemptsOptions['store'] & ConstructorParameters<typeof Decisions>[0]['store'];
}

/** Login and consent, as plain forms at `/interaction/:uid`. Every way out goes through the provider. */
export function interactions(
  options: InteractionOptions,
  {
    provider,
    aspsp,
    pages,
    strong,
    granted,
    accesses,
    bankApp: { visits: bankVisits },
  }: {
    readonly provider: Provider;
    readonly aspsp: AspspCalls;
    readonly pages: Pages;
    readonly strong: StrongAuthenticationParts | undefined;
    readonly granted: GrantedConsents;
    readonly accesses: AskedAccesses;
    readonly bankApp: Pick<OpenedBankApp, 'visits'>;
  },
): Middleware {
  const { clock, log, store, secret } = options;
  const { issuer } = provider;
  const forms = new OwnForms({ secret, origin: new URL(issuer).origin });
  const attempts = new LoginAttempts({ store, clock, secret });
  const { profiles } = options;
  const { acrValues } = options.acr;
  const login = new Authentication({ aspsp, acrValues, attempts, pages, strong, secret, clock, log });
  const occasions = new InteractionOccasions({ acrValues, profiles, pages, forms, issuer, secret, log });
  const decisions = new Decisions({ store, clock, secret });
  const consent = new ConsentDecision(options, { granted, aspsp, pages, forms, decisions });
  const bankApp =
    options.bankApp &&
    new BankApp({ ...options.bankApp, secret, log }, { visits: bankVisits, consent, pages });
  const lastSeenElsewhere = bankApp && ((uid: string) => bankVisits.lastSeen(uid));
  const visits = new Visits(options, {
    ...{ provider, pages, forms, decisions, consent, accesses, lastSeenElsewhere },
  });

  const answer = async (ctx: Context, open: OpenInteraction) => {
    const form = forms.read(ctx, open);
    const action = form.get('action');
    if (action === 'cancel' || action === 'leave') return consent.end(ctx, open, action);
    if (bankApp !== undefined) throw foreignAction();
    if (action === 'login' && open.prompt === 'login') {
      return login.answer(ctx, occasions.of(ctx, open), form);
    }
    if (action === 'approve' && open.prompt === 'consent') return consent.approve(ctx, open, form);
    throw foreignAction();
  };
  const router = new Router();
  const show = (ctx: Context, open: OpenInteraction) => {
    if (bankApp !== undefined) return bankApp.show(ctx, open);
    return open.prompt === 'login' ? login.show(ctx, occasions.of(ctx, open)) : consent.show(ctx, open);
  };
  router.get('/interaction/:uid', (ctx) => visits.open(ctx, (open) => show(ctx, open)));
  router.post('/interaction/:uid', (ctx) =>
    visits.open(ctx, (open) => readForm(ctx, () => answer(ctx, open))),
  );
  return router.routes() as unknown as Middleware;
}

function foreignAction(): OpenBankingError<'ERR_PSU_INPUT'> {
  return new OpenBankingError('ERR_PSU_INPUT', { problem: 'the action does not belong to this page' });
}
