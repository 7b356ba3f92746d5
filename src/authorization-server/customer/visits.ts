import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Clock } from '../../clock.ts';
import { isRefusal, type OpenBankingError } from '../../errors.ts';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import { tppOf } from '../clients/registered-client.ts';
import { oauthAnswer } from '../request/oauth-error.ts';
import type { ConsentDecision } from './consent/consent-decision.ts';
import type { Decisions } from './consent/decisions.ts';
import {
  findInteraction,
  type FoundInteraction,
  isFinished,
  type OpenInteraction,
  serviceOf,
  stopInteraction,
} from './open-interaction.ts';
import type { OwnForms } from './own-forms.ts';
import type { Pages } from './pages/pages.ts';

interface VisitsOptions {
  readonly authorisationStatus: AuthorisationStatus;
  readonly clock: Clock;
}

interface Parts {
  readonly provider: Provider;
  readonly pages: Pages;
  readonly forms: OwnForms;
  readonly decisions: Pick<Decisions, 'find'>;
  readonly consent: Pick<ConsentDecision, 'carryOut'>;
}

/** How long a customer may take for one prompt. The interaction itself lives longer, so that there is a way back. */
export const PROMPT_SECONDS = 15 * 60;

/**
 * Each request for a page of an interaction. The page is shown to the browser that began the interaction, while the
 * customer has decided nothing. Every other end has a page that says what is known, with the way back to the TPP where
 * client and redirect URI are proved.
 */
export class Visits {
  readonly #options: VisitsOptions;
  readonly #parts: Parts;

  constructor(options: VisitsOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Runs `work` for an open interaction. @throws ERR_PSU_INPUT for a browser without the interaction */
  async open(ctx: Context, work: (open: OpenInteraction) => Promise<void>): Promise<void> {
    const { provider, pages, decisions } = this.#parts;
    const found = await findInteraction(ctx, provider).catch((error: unknown) =>
      this.#showDecided(ctx, error),
    );
    if (found === undefined) return;
    if (isFinished(found)) return pages.onward(ctx, found.interaction.returnTo);
    if (this.#isTooLate(found)) return this.#stopLate(ctx, found);
    const open = await this.#authorised(ctx, found);
    if (open === undefined) return;
    // Of a request that did not end: the decision stands, and is carried out now.
    const decision = await decisions.find(found.interaction.uid);
    if (decision !== undefined) return this.#parts.consent.carryOut(ctx, open, decision);
    try {
      await work(open);
    } catch (error) {
      if (!isOfBank(error)) throw error;
      this.#showUnavailable(ctx, open, error);
    }
  }

  /** After the end of an interaction, by the back button or by a reload: what the customer decided. */
  async #showDecided(ctx: Context, error: unknown): Promise<undefined> {
    const { provider, pages, decisions } = this.#parts;
    if (!isRefusal(error, 'ERR_PSU_INPUT')) throw error;
    const uid = ctx.cookies.get(provider.cookieName('interaction'), { signed: true });
    const isOwn = uid !== undefined && ctx.path === `/interaction/${uid}`;
    const decision = isOwn ? await decisions.find(uid) : undefined;
    if (decision === undefined) throw error;
    pages.decided(ctx, decision);
  }

  #isTooLate({ interaction }: FoundInteraction): boolean {
    const { iat } = interaction as { readonly iat?: number };
    return iat !== undefined && this.#options.clock.now().getTime() > (iat + PROMPT_SECONDS) * 1000;
  }

  #stopLate(ctx: Context, found: FoundInteraction): Promise<void> {
    const result = { error: 'access_denied', error_description: 'the customer took too long' };
    return stopInteraction(ctx, found, { pages: this.#parts.pages, reason: 'late', status: 403, result });
  }

  async #authorised(ctx: Context, found: FoundInteraction): Promise<OpenInteraction | undefined> {
    try {
      return { ...found, tpp: this.#options.authorisationStatus.verify(tppOf(found.client)) };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      ctx.state.fault = error;
      const { status, body, headers } = oauthAnswer(error);
      ctx.set(headers);
      const stop = { pages: this.#parts.pages, reason: 'not-permitted', status, result: body } as const;
      await stopInteraction(ctx, found, stop);
      return undefined;
    }
  }

  /** Nothing is decided: the customer may try again, or go back to the TPP. */
  #showUnavailable(ctx: Context, open: OpenInteraction, error: OpenBankingError): void {
    const { pages, forms } = this.#parts;
    ctx.state.fault = error;
    const { status, headers } = oauthAnswer(error);
    ctx.set(headers);
    const back = { csrf: forms.tokenOf(open), path: ctx.path };
    pages.stopped(ctx, { reason: 'unavailable', status, service: serviceOf(open), back });
  }
}

function isOfBank(error: unknown): error is OpenBankingError {
  return isRefusal(error, 'ERR_ASPSP_UNAVAILABLE') || isRefusal(error, 'ERR_ASPSP_ANSWER');
}
