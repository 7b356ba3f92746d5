import type { Context } from 'koa';
import { isRefusal } from '../../../errors.ts';
import { psuField } from '../../../consent/psu-name.ts';
import type { Log } from '../../../events.ts';
import type { StrongAuthenticationCalls } from '../bank/strong-authentication-calls.ts';
import type { CustomerFactors } from '../bank/strong-authentication.ts';
import type { FactorProblem } from '../pages/page-views.ts';
import type { Pages } from '../pages/pages.ts';
import type { AttemptCounts } from './attempt-counts.ts';
import type { Factor, FactorChallenge, FactorName, FactorOutcome, FactorQuestion } from './factors/factor.ts';
import type { FactorProgress, Occasion, Progress, Proved } from './occasion.ts';
import type { ScaPolicy } from './sca-policy.ts';

interface FactorStepsOptions {
  /** The preferred first. */
  readonly factors: readonly Factor[];
  readonly policy: ScaPolicy;
  readonly calls: Pick<StrongAuthenticationCalls, 'findFactors'>;
  readonly attempts: AttemptCounts;
  readonly pages: Pages;
  /** Names customers in events. */
  readonly secret: Buffer;
  readonly log: Log;
}

type ProvedProgress = Progress & { readonly proved: Proved };

/** A customer who has proved the first element. */
interface Known {
  readonly progress: ProvedProgress;
  readonly question: FactorQuestion;
  /** Elements that would do, the preferred first. */
  readonly offered: readonly Factor[];
}

/** A step that asks the customer for an element. */
interface Asked extends Known {
  readonly step: FactorProgress;
  readonly factor: Factor;
}

/** The steps after the bank's own: an element of another kind, which the customer may choose. */
export class FactorSteps {
  readonly #options: FactorStepsOptions;

  constructor(options: FactorStepsOptions) {
    this.#options = options;
  }

  /** Asks for the preferred element. @throws ERR_ASPSP_UNAVAILABLE, ERR_ASPSP_ANSWER */
  async begin(ctx: Context, occasion: Occasion, progress: ProvedProgress): Promise<void> {
    const question = await this.#questionOf(occasion, progress.proved);
    const offered = await this.#options.policy.offeredTo(occasion, question);
    return this.#beginFirst(ctx, occasion, { progress, question, offered });
  }

  /** Shows the step; an answer that came another way leads on. */
  async show(ctx: Context, occasion: Occasion, progress: Progress): Promise<Progress | undefined> {
    const asked = await this.#askedOf(ctx, occasion, progress);
    if (asked === undefined) return undefined;
    if (asked.factor.isAnsweredElsewhere) return this.#look(ctx, occasion, asked);
    await this.#show(ctx, occasion, asked);
    return undefined;
  }

  /** Judges the answer, or asks for the element that the customer chooses. Undefined when the customer sees another page now. */
  async answer(
    ctx: Context,
    occasion: Occasion,
    { progress, form }: { readonly progress: Progress; readonly form: URLSearchParams },
  ): Promise<Progress | undefined> {
    const asked = await this.#askedOf(ctx, occasion, progress);
    if (asked === undefined) return undefined;
    const chosen = form.get('factor');
    if (chosen !== null) {
      const factor = asked.offered.find(({ name }) => name === chosen);
      if (factor === undefined) await this.#show(ctx, occasion, asked);
      else await this.#ask(ctx, occasion, { ...asked, factor });
      return undefined;
    }
    if (asked.factor.isAnsweredElsewhere) return this.#look(ctx, occasion, asked);
    return this.#judge(ctx, occasion, { asked, form });
  }

  async #beginFirst(ctx: Context, occasion: Occasion, known: Known): Promise<void> {
    const [factor] = known.offered;
    if (factor === undefined) return occasion.end(ctx, 'no-factor');
    return this.#ask(ctx, occasion, { ...known, factor });
  }

  /** Makes a challenge. Messages to the customer are limited in number. */
  async #ask(ctx: Context, occasion: Occasion, asked: Known & { readonly factor: Factor }): Promise<void> {
    const { attempts } = this.#options;
    const { factor, question, progress, offered } = asked;
    if (factor.sendsMessage && !(await attempts.mayMessage(progress.proved.psuId))) {
      return this.#withoutMessage(ctx, occasion, asked);
    }
    const { state, expiresAt } = await factor.begin(question);
    const step = { by: factor.name, state, expiresAt: expiresAt.toISOString() };
    const next = { ...progress, number: progress.number + 1, step };
    await occasion.keep(next);
    await this.#show(ctx, occasion, { progress: next, step, factor, question, offered });
  }

  /** Too many messages: the next element that needs none, or the page that there is. */
  async #withoutMessage(ctx: Context, occasion: Occasion, asked: Known): Promise<void> {
    const { progress, question, offered } = asked;
    if (progress.step.by !== 'bank') {
      const factor = this.#named(progress.step.by);
      return this.#show(
        ctx,
        occasion,
        { progress, question, offered, factor, step: progress.step },
        'messages',
      );
    }
    const silent = offered.filter(({ sendsMessage }) => !sendsMessage);
    if (silent.length === 0) return occasion.end(ctx, 'attempts');
    return this.#beginFirst(ctx, occasion, { ...asked, offered: silent });
  }

  async #look(ctx: Context, occasion: Occasion, asked: Asked): Promise<Progress | undefined> {
    const outcome = await asked.factor.verify(asked.question, challengeOf(asked.step), new URLSearchParams());
    return this.#after(ctx, occasion, { asked, outcome });
  }

  async #judge(
    ctx: Context,
    occasion: Occasion,
    { asked, form }: { readonly asked: Asked; readonly form: URLSearchParams },
  ): Promise<Progress | undefined> {
    const { attempts, log } = this.#options;
    const counted = await attempts.begin(occasion, asked.progress);
    if (counted === 'over') {
      await occasion.end(ctx, 'attempts');
      return undefined;
    }
    if (counted === 'blocked') {
      log.emit('psu.login.blocked', this.#eventsOf(occasion, asked));
      await this.#show(ctx, occasion, asked, 'blocked');
      return undefined;
    }
    const outcome = await asked.factor
      .verify(asked.question, challengeOf(asked.step), form)
      .catch(async (error: unknown) => {
        if (isRefusal(error, 'ERR_ASPSP_UNAVAILABLE')) await attempts.takeBack(counted);
        throw error;
      });
    if (outcome.type !== 'refused') await attempts.takeBack(counted);
    else if (counted.ofOccasion.isLast) {
      log.emit('psu.login.refused', this.#eventsOf(occasion, asked));
      await occasion.end(ctx, 'attempts');
      return undefined;
    }
    return this.#after(ctx, occasion, { asked, outcome });
  }

  #eventsOf({ events }: Occasion, { progress }: Asked) {
    return { ...events, ...psuField(this.#options.secret, progress.proved.psuId) };
  }

  async #after(
    ctx: Context,
    occasion: Occasion,
    { asked, outcome }: { readonly asked: Asked; readonly outcome: FactorOutcome },
  ): Promise<Progress | undefined> {
    const { log } = this.#options;
    const { proved } = asked.progress;
    switch (outcome.type) {
      case 'proved':
        return {
          ...asked.progress,
          proved: {
            ...proved,
            amr: [...new Set([...proved.amr, ...outcome.amr])],
            kinds: [...new Set([...proved.kinds, ...outcome.kinds])],
            isLinked: proved.isLinked || asked.factor.isLinked,
          },
        };
      case 'refused':
        log.emit('psu.login.refused', this.#eventsOf(occasion, asked));
        await this.#show(ctx, occasion, asked, 'wrong');
        return undefined;
      case 'rejected':
        await occasion.end(ctx, 'rejected');
        return undefined;
      case 'ended':
        await this.#show(ctx, occasion, asked, 'ended');
        return undefined;
      case 'waiting':
        await this.#show(ctx, occasion, asked);
        return undefined;
    }
  }

  /** Undefined when the customer can no longer be asked: the page of the end is shown then. */
  async #askedOf(ctx: Context, occasion: Occasion, progress: Progress): Promise<Asked | undefined> {
    const { step, proved } = progress;
    if (step.by === 'bank' || proved === undefined) throw new TypeError('the step is not of an element');
    const question = await this.#questionOf(occasion, proved);
    const offered = await this.#options.policy.offeredTo(occasion, question);
    const factor = offered.find(({ name }) => name === step.by);
    if (factor === undefined) {
      await occasion.end(ctx, 'no-factor');
      return undefined;
    }
    return { progress: { ...progress, proved }, step, factor, question, offered };
  }

  async #questionOf({ id, context, requester }: Occasion, { psuId }: Proved): Promise<FactorQuestion> {
    const factors: CustomerFactors = await this.#options.calls.findFactors(psuId);
    const { scopes, details, payments, linkHash, uiLocales, tpp } = context;
    return {
      occasionId: id,
      psuId,
      factors,
      tpp: tpp && { service: requester?.name ?? tpp.legalName, ...tpp },
      scopes,
      details,
      payments,
      linkHash,
      uiLocales,
    };
  }

  async #show(
    ctx: Context,
    { csrf, requester, context }: Occasion,
    { progress: { number }, step, factor, question, offered }: Asked,
    problem?: FactorProblem,
  ): Promise<void> {
    this.#options.pages.factor(ctx, {
      tpp: requester,
      csrf,
      number,
      problem,
      details: context.details,
      challenge: await factor.view(question, challengeOf(step)),
      others: offered.map(({ name }) => name).filter((name) => name !== factor.name || factor.sendsMessage),
    });
  }

  #named(name: FactorName): Factor {
    const factor = this.#options.factors.find((one) => one.name === name);
    if (factor === undefined) throw new TypeError(`there is no factor ${name}`);
    return factor;
  }
}

function challengeOf({ state, expiresAt }: FactorProgress): FactorChallenge {
  return { state, expiresAt: new Date(expiresAt) };
}
