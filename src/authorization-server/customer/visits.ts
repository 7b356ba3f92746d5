import type { Context } from 'koa';
import type { Interaction, Provider } from 'oidc-provider';
import { type Clock, epochSeconds } from '../../clock.ts';
import { isRefusal, type OpenBankingError } from '../../errors.ts';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import { tppOf } from '../clients/registered-client.ts';
import { oauthAnswer } from '../request/oauth-error.ts';
import type { AskedAccesses } from './consent/asked-access.ts';
import type { ConsentDecision } from './consent/consent-decision.ts';
import type { Decisions } from './consent/decisions.ts';
import { serviceOf } from './consent/requester.ts';
import {
  type AuthorisedInteraction,
  findInteraction,
  type FoundInteraction,
  isFinished,
  type OpenInteraction,
  refuseInteraction,
  stopInteraction,
} from './open-interaction.ts';
import type { OwnForms } from './own-forms.ts';
import type { StopReason } from './pages/page-views.ts';
import { type Pages, POLL } from './pages/pages.ts';

interface VisitsOptions {
  readonly authorisationStatus: AuthorisationStatus;
  readonly clock: Clock;
}

interface Parts {
  readonly provider: Provider;
  readonly pages: Pages;
  readonly forms: OwnForms;
  readonly decisions: Pick<Decisions, 'find'>;
  readonly consent: Pick<ConsentDecision, 'carryOut' | 'standing'>;
  readonly accesses: Pick<AskedAccesses, 'of'>;
  /** When the customer was active last, where no page of ours shows it. Epoch seconds. */
  readonly lastSeenElsewhere?: ((uid: string) => Promise<number | undefined>) | undefined;
}

/** How long a customer may take for one prompt. The interaction itself lives longer, so that there is a way back. */
export const PROMPT_SECONDS = 15 * 60;
/** RTS article 4(3)(d): five minutes without activity end what the customer has begun. */
const INACTIVE_SECONDS = 5 * 60;
/** How exactly the last activity is known: not every page is a write. */
const SEEN_SECONDS = 20;
/** For the TPP. */
const LATE = {
  late: 'the customer took too long',
  inactive: 'the customer was inactive for five minutes',
} as const;

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
    const late = await this.#lateness(found);
    if (late !== undefined) return this.#stopLate(ctx, found, late);
    const authorised = await this.#authorised(ctx, found);
    if (authorised === undefined) return;
    // Of a request that did not end: the decision stands, and is carried out now.
    const decision = await decisions.find(found.interaction.uid);
    if (decision !== undefined) return this.#parts.consent.carryOut(ctx, authorised, decision);
    const open = await this.#asked(ctx, authorised);
    if (open === undefined) return;
    try {
      await work(open);
      await this.#noteActivity(ctx, found);
    } catch (error) {
      if (!isOfBank(error)) throw error;
      this.#showUnavailable(ctx, open, error);
    }
  }

  /** After the end of an interaction, by the back button or by a reload: what the customer decided. */
  async #showDecided(ctx: Context, error: unknown): Promise<undefined> {
    const { provider, pages, decisions, consent } = this.#parts;
    if (!isRefusal(error, 'ERR_PSU_INPUT')) throw error;
    const uid = ctx.cookies.get(provider.cookieName('interaction'), { signed: true });
    const isOwn = uid !== undefined && ctx.path === `/interaction/${uid}`;
    const decision = isOwn ? await decisions.find(uid) : undefined;
    if (decision === undefined) throw error;
    pages.decided(ctx, await consent.standing(decision));
  }

  /** Undefined while the customer is in time. The customer may have been active in the application of the bank. */
  async #lateness({ interaction }: FoundInteraction): Promise<keyof typeof LATE | undefined> {
    const now = this.#options.clock.now();
    const late = latenessOf(interaction, { now });
    if (late !== 'inactive') return late;
    return latenessOf(interaction, { now, seenAt: await this.#parts.lastSeenElsewhere?.(interaction.uid) });
  }

  #stopLate(ctx: Context, found: FoundInteraction, reason: keyof typeof LATE): Promise<void> {
    const result = { error: 'access_denied', error_description: LATE[reason] };
    return stopInteraction(ctx, found, { pages: this.#parts.pages, reason, status: 403, result });
  }

  /** A page that the customer has opened, or a form. A page that asks by itself whether there is an answer is no activity. */
  async #noteActivity(ctx: Context, found: FoundInteraction): Promise<void> {
    const { interaction } = found;
    const now = epochSeconds(this.#options.clock.now());
    if (isFinished(found) || POLL in ctx.query || now < lastSeen(interaction) + SEEN_SECONDS) return;
    interaction.result = { ...interaction.result, seenAt: now };
    await interaction.persist();
  }

  async #authorised(ctx: Context, found: FoundInteraction): Promise<AuthorisedInteraction | undefined> {
    try {
      return { ...found, tpp: this.#options.authorisationStatus.verify(tppOf(found.client)) };
    } catch (error) {
      return this.#stopRefused(ctx, found, { error, reason: 'not-permitted' });
    }
  }

  /** Judges the request anew: the consent that it names may have been used, changed or ended since it was pushed. */
  async #asked(ctx: Context, authorised: AuthorisedInteraction): Promise<OpenInteraction | undefined> {
    const { client, interaction } = authorised;
    try {
      return { ...authorised, asked: await this.#parts.accesses.of({ params: interaction.params, client }) };
    } catch (error) {
      return this.#stopRefused(ctx, authorised, { error, reason: 'changed' });
    }
  }

  async #stopRefused(
    ctx: Context,
    found: FoundInteraction,
    { error, reason }: { readonly error: unknown; readonly reason: StopReason },
  ): Promise<undefined> {
    if (!isRefusal(error) || isRefusal(error, 'ERR_STORAGE_UNAVAILABLE')) throw error;
    await refuseInteraction(ctx, found, { pages: this.#parts.pages, error, reason });
    return undefined;
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

/** Whether the customer takes too long for a prompt, or does nothing. Undefined: the customer is in time. */
export function latenessOf(
  interaction: Interaction,
  { now, seenAt = 0 }: { readonly now: Date; readonly seenAt?: number | undefined },
): keyof typeof LATE | undefined {
  const seconds = epochSeconds(now);
  if (seconds > beginOf(interaction) + PROMPT_SECONDS) return 'late';
  return seconds > Math.max(lastSeen(interaction), seenAt) + INACTIVE_SECONDS ? 'inactive' : undefined;
}

/** Until when the customer may answer the prompt. */
export function promptEnd(interaction: Interaction): Date {
  return new Date((beginOf(interaction) + PROMPT_SECONDS) * 1000);
}

/** When the customer was active last: at the begin of the prompt, or later. Epoch seconds. */
function lastSeen(interaction: Interaction): number {
  const seenAt = interaction.result?.seenAt;
  return typeof seenAt === 'number' ? seenAt : beginOf(interaction);
}

/** Epoch seconds. The published types lack the member. */
function beginOf(interaction: Interaction): number {
  const { iat } = interaction as { readonly iat?: number };
  if (iat === undefined) throw new TypeError('the interaction has no time of its beginning');
  return iat;
}

function isOfBank(error: unknown): error is OpenBankingError {
  return isRefusal(error, 'ERR_ASPSP_UNAVAILABLE', 'ERR_ASPSP_ANSWER', 'ERR_PAGE_TEMPLATE');
}
