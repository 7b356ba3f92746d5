import type { Context } from 'koa';
import type { Client, Interaction, InteractionResults, Provider } from 'oidc-provider';
import type { TppRecord } from '../../../tpp-registry/index.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { EventFields } from '../../events.ts';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import { tppOf } from '../clients/registered-client.ts';
import type { Pages, RequesterView } from './pages/pages.ts';

/** An authorization at the prompt where the customer is now. */
export interface OpenInteraction {
  readonly interaction: Interaction;
  readonly prompt: 'login' | 'consent';
  readonly client: Client;
  readonly tpp: TppRecord;
  readonly scopes: readonly string[];
}

/** @throws ERR_PSU_INPUT when the browser has no such interaction, and the refusals of `AuthorisationStatus.verify` */
export async function openInteraction(
  ctx: Context,
  provider: Provider,
  authorisationStatus: AuthorisationStatus,
): Promise<OpenInteraction> {
  const interaction = await provider.interactionDetails(ctx.req, ctx.res).catch((cause: unknown) => {
    if (isRefusal(cause)) throw cause;
    throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'there is no such interaction' }, { cause });
  });
  const { client_id: clientId, scope } = interaction.params;
  const client = await provider.Client.find(String(clientId));
  const prompt = interaction.prompt.name;
  if (client === undefined || (prompt !== 'login' && prompt !== 'consent')) {
    throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'the interaction cannot go on' });
  }
  return {
    interaction,
    prompt,
    client,
    tpp: authorisationStatus.verify(tppOf(client)),
    scopes: typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [],
  };
}

/** As the provider's `interactionResult`, which would read the interaction and its session a second time. */
export async function finishInteraction(
  ctx: Context,
  { interaction }: OpenInteraction,
  { pages, result }: { readonly pages: Pick<Pages, 'onward'>; readonly result: InteractionResults },
): Promise<void> {
  interaction.result = 'error' in result ? result : { ...interaction.lastSubmission, ...result };
  await interaction.persist();
  pages.onward(ctx, interaction.returnTo);
}

/** The TPP that asks, as the pages name it. */
export function requesterOf({ client, tpp }: OpenInteraction): RequesterView {
  return {
    name: client.clientName ?? tpp.tradingName ?? tpp.legalName,
    legalName: tpp.legalName,
    authorizationNumber: tpp.authorizationNumber,
    nca: tpp.nca.name ?? tpp.nca.id,
  };
}

/** The fields of every event of an interaction. */
export function interactionFields(ctx: Context, open: OpenInteraction): EventFields {
  return {
    requestId: String(ctx.state.requestId),
    clientId: open.client.clientId,
    authorizationNumber: open.tpp.authorizationNumber,
    scope: open.scopes.join(' '),
  };
}
