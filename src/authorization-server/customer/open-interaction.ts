import type { Context } from 'koa';
import type { Client, Interaction, InteractionResults, Provider } from 'oidc-provider';
import type { TppRecord } from '../../../tpp-registry/index.ts';
import { OpenBankingError } from '../../errors.ts';
import type { EventFields } from '../../events.ts';
import { oauthAnswer } from '../request/oauth-error.ts';
import { uiLocalesOf } from './authentication/hints.ts';
import type { AskedAccess } from './consent/asked-access.ts';
import { requesterOfAccess, serviceOf } from './consent/requester.ts';
import type { RequesterView, StopReason } from './pages/page-views.ts';
import type { Pages } from './pages/pages.ts';

/** An authorization at the prompt where the customer is now. Client and redirect URI are proved. */
export interface FoundInteraction {
  readonly interaction: Interaction;
  readonly prompt: 'login' | 'consent';
  readonly client: Client;
  readonly scopes: readonly string[];
}

/** An authorization whose TPP is authorised. */
export interface AuthorisedInteraction extends FoundInteraction {
  readonly tpp: TppRecord;
}

/** An authorization that the customer can allow. */
export interface OpenInteraction extends AuthorisedInteraction {
  readonly asked: AskedAccess;
}

/**
 * The interaction of the request's path, for the browser that began it. In place of the provider's `interactionDetails`,
 * which refuses it once another customer has logged in in another tab: every authorization has its own login.
 *
 * @throws ERR_PSU_INPUT when there is none
 */
export async function findInteraction(ctx: Context, provider: Provider): Promise<FoundInteraction> {
  const uid = ctx.cookies.get(provider.cookieName('interaction'), { signed: true });
  const interaction = uid === undefined ? undefined : await provider.Interaction.find(uid);
  if (interaction === undefined) {
    throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'there is no such interaction' });
  }
  // Every page of this request is in the language that the request prefers.
  ctx.state.uiLocales = uiLocalesOf(interaction.params);
  const { client_id: clientId, scope } = interaction.params;
  const client = await provider.Client.find(String(clientId));
  const prompt = interaction.prompt.name;
  const isOfPath = ctx.path === `/interaction/${interaction.uid}`;
  if (client === undefined || !isOfPath || (prompt !== 'login' && prompt !== 'consent')) {
    throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'the interaction cannot go on' });
  }
  return {
    interaction,
    prompt,
    client,
    scopes: typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [],
  };
}

/** Whether the prompt has its result, so that only the way on is left. */
export function isFinished({ interaction: { result } }: Pick<FoundInteraction, 'interaction'>): boolean {
  return result !== undefined && ['error', 'login', 'consent'].some((member) => member in result);
}

/** As the provider's `interactionResult`, which would read the interaction and its session a second time. */
export async function finishInteraction(
  ctx: Context,
  { interaction }: FoundInteraction,
  { pages, result }: { readonly pages: Pick<Pages, 'onward'>; readonly result: InteractionResults },
): Promise<void> {
  await keepResult(interaction, result);
  pages.onward(ctx, interaction.returnTo);
}

/** Ends the authorization with an error for the TPP. The page names the reason and leads back to the TPP. */
export async function stopInteraction(
  ctx: Context,
  found: FoundInteraction,
  stop: {
    readonly pages: Pick<Pages, 'stopped'>;
    readonly reason: StopReason;
    readonly status: number;
    readonly result: { readonly error: string; readonly error_description: string };
  },
): Promise<void> {
  await keepResult(found.interaction, stop.result);
  const back = { url: found.interaction.returnTo };
  stop.pages.stopped(ctx, { reason: stop.reason, status: stop.status, service: serviceOf(found), back });
}

/** Ends the authorization with a refusal: its page for the customer, and its OAuth error for the TPP. */
export function refuseInteraction(
  ctx: Context,
  found: FoundInteraction,
  {
    pages,
    error,
    reason,
  }: {
    readonly pages: Pick<Pages, 'stopped'>;
    readonly error: OpenBankingError;
    readonly reason: StopReason;
  },
): Promise<void> {
  ctx.state.fault = error;
  const { status, body, headers } = oauthAnswer(error);
  ctx.set(headers);
  return stopInteraction(ctx, found, { pages, reason, status, result: body });
}

async function keepResult(interaction: Interaction, result: InteractionResults): Promise<void> {
  interaction.result = 'error' in result ? result : { ...interaction.lastSubmission, ...result };
  await interaction.persist();
}

/** The TPP that asks, as the pages name it. */
export function requesterOf({ client, tpp, asked }: OpenInteraction): RequesterView {
  const { service, ...requester } = requesterOfAccess({ client, tpp, details: asked.details });
  return {
    ...requester,
    name: service,
    authorizationNumber: tpp.authorizationNumber,
    nca: tpp.nca.name ?? tpp.nca.id,
  };
}

/** The fields of every event of an interaction. */
export function interactionFields(ctx: Context, open: AuthorisedInteraction): EventFields {
  return {
    requestId: String(ctx.state.requestId),
    clientId: open.client.clientId,
    authorizationNumber: open.tpp.authorizationNumber,
    scope: open.scopes.join(' '),
  };
}
