import { createHmac, timingSafeEqual } from 'node:crypto';
import { bodyParser } from '@koa/bodyparser';
import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { Client, Interaction, InteractionResults, Provider } from 'oidc-provider';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { Clock } from '../../clock.ts';
import type { Consents } from '../../consent/consent.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { TppRecord } from '../../../tpp-registry/index.ts';
import type { Aspsp } from './aspsp.ts';
import { OPENID_SCOPES } from '../clients/clients.ts';
import type { Pages, RequesterView } from './pages/pages.ts';
import { permissionsOf } from './pages/permissions.ts';
import { resumeAsThisPsu } from './resume-as-this-psu.ts';

export interface InteractionOptions {
  readonly provider: Provider;
  readonly aspsp: Aspsp;
  readonly consents: Consents;
  readonly pages: Pages;
  readonly resource: string;
  readonly consentSeconds: number;
  /** The registry's record of a client's TPP. @throws when it may not act now */
  readonly standing: (client: Client) => TppRecord;
  readonly secret: Buffer;
  readonly clock: Clock;
  readonly log: Log;
}

/** RTS on strong customer authentication article 4(3)(b): at most five failed attempts, then a block. */
const MAX_FAILED_LOGINS = 5;
const LOGIN_BLOCK_SECONDS = 15 * 60;
const WRONG_CREDENTIALS = 'That customer name and password do not belong together. Please try again.';
const NO_ACCOUNT_CHOSEN = 'Please choose at least one account, or cancel.';

/** Login and consent, as plain forms at `/interaction/:uid`. Every way out goes through the provider. */
export function interactions(options: InteractionOptions): readonly Middleware[] {
  const { provider, pages } = options;
  const router = new Router();
  const failedLogins = new RateLimiterMemory({ points: MAX_FAILED_LOGINS, duration: LOGIN_BLOCK_SECONDS });

  router.get('/assets/bank.css', (ctx) => {
    ctx.set('cache-control', 'public, max-age=3600');
    ctx.type = 'css';
    ctx.body = pages.stylesheet;
  });

  router.get('/interaction/:uid', async (ctx) => {
    const step = await openStep(options, ctx);
    await show(options, ctx, step, {});
  });

  const readForm = bodyParser({
    enableTypes: ['form'],
    formLimit: '16kb',
    onError: (cause) => {
      throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'the form cannot be read' }, { cause });
    },
  });
  router.post('/interaction/:uid', readForm, async (ctx) => {
    const step = await openStep(options, ctx);
    const form = formOf(ctx);
    assertOwnForm(options, ctx, step, form);
    const action = form.get('action');
    if (action === 'cancel') return cancel(options, ctx, step);
    if (action === 'login' && step.prompt === 'login')
      return logIn(options, ctx, { step, form, failedLogins });
    if (action === 'approve' && step.prompt === 'consent') return approve(options, ctx, { step, form });
    throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'the action does not belong to this page' });
  });

  return [resumeAsThisPsu(provider), router.routes() as unknown as Middleware];
}

interface Step {
  readonly interaction: Interaction;
  readonly prompt: 'login' | 'consent';
  readonly client: Client;
  readonly tpp: TppRecord;
  readonly scopes: readonly string[];
  readonly redirectUri: string;
}

async function openStep(options: InteractionOptions, ctx: Context): Promise<Step> {
  const interaction = await options.provider.interactionDetails(ctx.req, ctx.res).catch((cause: unknown) => {
    if (isRefusal(cause)) throw cause;
    throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'there is no such interaction' }, { cause });
  });
  const { client_id: clientId, scope, redirect_uri: redirectUri } = interaction.params;
  const client = await options.provider.Client.find(String(clientId));
  const prompt = interaction.prompt.name;
  if (client === undefined || (prompt !== 'login' && prompt !== 'consent')) {
    throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'the interaction cannot go on' });
  }
  return {
    interaction,
    prompt,
    client,
    tpp: options.standing(client),
    scopes: typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [],
    redirectUri: String(redirectUri),
  };
}

interface Retry {
  readonly problem?: string;
  readonly chosen?: readonly string[];
}

async function show(options: InteractionOptions, ctx: Context, step: Step, retry: Retry): Promise<void> {
  const view = {
    tpp: requesterOf(step),
    csrf: csrfToken(options, step),
    redirectUri: step.redirectUri,
    ...(retry.problem === undefined ? {} : { problem: retry.problem }),
  };
  if (retry.problem !== undefined) ctx.status = 422;
  if (step.prompt === 'login') return options.pages.login(ctx, view);
  const accounts = await offeredAccounts(options, step);
  options.pages.consent(ctx, {
    ...view,
    permissions: permissionsOf(step.scopes),
    until: untilOf(options),
    accounts: accounts.map((account) => ({
      ...account,
      isChosen: retry.chosen?.includes(account.accountId) ?? false,
    })),
  });
}

async function logIn(
  options: InteractionOptions,
  ctx: Context,
  attempt: { readonly step: Step; readonly form: URLSearchParams; readonly failedLogins: RateLimiterMemory },
): Promise<void> {
  const { step, form, failedLogins } = attempt;
  const username = (form.get('username') ?? '').trim().slice(0, 128);
  // Counted before the check, so that parallel attempts cannot pass the limit together.
  const isBlocked = await failedLogins.consume(username).then(
    () => false,
    () => true,
  );
  const psu = isBlocked
    ? undefined
    : await options.aspsp.authenticatePsu({ username, password: form.get('password') ?? '' });
  if (psu === undefined) {
    options.log.emit(isBlocked ? 'psu.login.blocked' : 'psu.login.refused', requestFields(ctx, step));
    return show(options, ctx, step, { problem: WRONG_CREDENTIALS });
  }
  await failedLogins.delete(username);
  return finish(ctx, step, { login: { accountId: psu.psuId, remember: false, amr: ['pwd'] } });
}

async function approve(
  options: InteractionOptions,
  ctx: Context,
  answer: { readonly step: Step; readonly form: URLSearchParams },
): Promise<void> {
  const { step, form } = answer;
  const psuId = psuOf(step);
  const offered = await offeredAccounts(options, step);
  const chosen = form.getAll('account');
  if (!chosen.every((id) => offered.some((account) => account.accountId === id))) {
    throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'an account that was not offered' });
  }
  if (offered.length > 0 && chosen.length === 0) {
    return show(options, ctx, step, { problem: NO_ACCOUNT_CHOSEN });
  }
  const grantId = await grant(options, step, psuId);
  const consent = await options.consents.create(
    {
      grantId,
      clientId: step.client.clientId,
      authorizationNumber: step.tpp.authorizationNumber,
      psuId,
      accountIds: [...new Set(chosen)],
      scopes: step.scopes,
    },
    options.consentSeconds,
  );
  options.log.emit('consent.granted', { ...requestFields(ctx, step), consentId: consent.consentId });
  return finish(ctx, step, { consent: { grantId } });
}

async function grant(options: InteractionOptions, step: Step, psuId: string): Promise<string> {
  // `expiresIn` is missing from the published types of the constructor (reference: Grant outranks its tokens).
  const properties = { accountId: psuId, clientId: step.client.clientId, expiresIn: options.consentSeconds };
  const created = new options.provider.Grant(properties);
  const openid = step.scopes.filter((scope) => OPENID_SCOPES.includes(scope));
  const apis = step.scopes.filter((scope) => !OPENID_SCOPES.includes(scope));
  if (openid.length > 0) created.addOIDCScope(openid.join(' '));
  if (apis.length > 0) created.addResourceScope(options.resource, apis.join(' '));
  return created.save();
}

function cancel(options: InteractionOptions, ctx: Context, step: Step): Promise<void> {
  options.log.emit('consent.denied', requestFields(ctx, step));
  return finish(ctx, step, { error: 'access_denied', error_description: 'the customer cancelled' });
}

/** As the provider's `interactionResult`, which would look for the interaction and its session a second time. */
async function finish(ctx: Context, { interaction }: Step, result: InteractionResults): Promise<void> {
  interaction.result = 'error' in result ? result : { ...interaction.lastSubmission, ...result };
  await interaction.persist();
  ctx.redirect(interaction.returnTo);
  ctx.status = 303;
}

function psuOf(step: Step): string {
  const psuId = step.interaction.session?.accountId;
  if (psuId === undefined) throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'nobody is logged in' });
  return psuId;
}

async function offeredAccounts(options: InteractionOptions, step: Step) {
  const isForApis = step.scopes.some((scope) => !OPENID_SCOPES.includes(scope));
  return isForApis ? options.aspsp.listAccounts(psuOf(step), step.scopes) : [];
}

function requesterOf({ client, tpp }: Step): RequesterView {
  return {
    name: client.clientName ?? tpp.tradingName ?? tpp.legalName,
    legalName: tpp.legalName,
    authorizationNumber: tpp.authorizationNumber,
    nca: tpp.nca.name ?? tpp.nca.id,
  };
}

function untilOf(options: InteractionOptions): Date {
  return new Date(options.clock.now().getTime() + options.consentSeconds * 1000);
}

function requestFields(ctx: Context, step: Step) {
  return {
    requestId: String(ctx.state.requestId),
    clientId: step.client.clientId,
    authorizationNumber: step.tpp.authorizationNumber,
    scope: step.scopes.join(' '),
  };
}

function formOf(ctx: Context): URLSearchParams {
  const raw = ctx.request.rawBody;
  if (typeof raw !== 'string')
    throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'the body is not a form' });
  return new URLSearchParams(raw);
}

/** A form of this page: made for this step of this interaction, and sent from our own origin. */
function assertOwnForm(options: InteractionOptions, ctx: Context, step: Step, form: URLSearchParams): void {
  const origin = ctx.get('origin');
  const expected = Buffer.from(csrfToken(options, step));
  const given = Buffer.from(form.get('csrf') ?? '');
  const isOwn =
    (origin === '' || origin === new URL(options.provider.issuer).origin) &&
    given.length === expected.length &&
    timingSafeEqual(given, expected);
  if (!isOwn) throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'the form is not of this page' });
}

function csrfToken(options: InteractionOptions, step: Step): string {
  const { uid, prompt } = step.interaction;
  return createHmac('sha256', options.secret).update(`csrf\0${prompt.name}\0${uid}`).digest('base64url');
}
