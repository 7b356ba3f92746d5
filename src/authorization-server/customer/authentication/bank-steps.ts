import type { Context } from 'koa';
import { isRefusal } from '../../../errors.ts';
import type { Log } from '../../../events.ts';
import type { AspspCalls } from '../bank/aspsp-calls.ts';
import type {
  AuthenticatedPsu,
  AuthenticationRefusal,
  AuthenticationStep,
  FormStep,
  StepField,
} from '../bank/aspsp.ts';
import type { StepView } from '../pages/page-views.ts';
import type { Pages } from '../pages/pages.ts';
import type { PageText } from '../pages/words/words.ts';
import { epochSeconds } from '../../../clock.ts';
import type { AttemptCounts, CountedAnswer } from './attempt-counts.ts';
import { kindsOf } from './elements.ts';
import type { Occasion, Progress, Proved } from './occasion.ts';

interface BankStepsOptions {
  readonly aspsp: AspspCalls;
  readonly attempts: AttemptCounts;
  readonly pages: Pages;
  readonly log: Log;
}

const MAX_CUSTOMER_NAME_LENGTH = 128;
const SENTENCES = {
  'wrong-credentials': { sentence: 'problem.wrong' },
  blocked: { sentence: 'problem.blocked' },
} as const satisfies Record<AuthenticationRefusal['reason'], PageText>;

/** The first step of a bank whose module has no `beginAuthentication`. */
export const PASSWORD_STEP: FormStep = {
  type: 'form',
  fields: [
    {
      name: 'username',
      label: 'Customer name',
      type: 'text',
      autocomplete: 'username',
      isCustomerName: true,
    },
    { name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password' },
  ],
};

/** The same step in the language of the customer. */
const PASSWORD_VIEW: StepView = {
  type: 'form',
  fields: PASSWORD_STEP.fields.map((field) => ({
    ...field,
    label: { sentence: field.isCustomerName === true ? 'field.customer-name' : 'field.password' },
  })),
};

interface Typed {
  readonly progress: Progress;
  readonly step: AuthenticationStep;
  readonly values: Readonly<Record<string, string>>;
}

/** The steps of the bank's own authentication, on our pages: the first element, and the name of the customer. */
export class BankSteps {
  readonly #options: BankStepsOptions;

  constructor(options: BankStepsOptions) {
    this.#options = options;
  }

  /** The first step. @throws ERR_ASPSP_UNAVAILABLE, ERR_ASPSP_ANSWER */
  async begin(occasion: Occasion): Promise<Progress> {
    const { linkHash } = occasion.context;
    const step = await this.#options.aspsp.begin(occasion.context);
    const progress = { number: 0, linkHash, step: { by: 'bank', step: step ?? PASSWORD_STEP } } as const;
    // Of a payment, the customer sees amount and payee on this page already.
    if (step !== undefined || occasion.isPayment) await occasion.keep(progress);
    return progress;
  }

  show(ctx: Context, occasion: Occasion, progress: Progress): void {
    if (progress.step.by === 'bank') this.#show(ctx, occasion, { progress, step: progress.step.step });
  }

  /** The progress with what the bank has verified; undefined when the customer sees another page now. */
  async answer(
    ctx: Context,
    occasion: Occasion,
    {
      progress,
      step,
      form,
    }: { readonly progress: Progress; readonly step: AuthenticationStep; readonly form: URLSearchParams },
  ): Promise<Progress | undefined> {
    const { attempts, log } = this.#options;
    const { values, customerName = progress.customerName } = valuesOf(step, form);
    const typed = { progress: { ...progress, customerName }, step, values };
    const counted = await attempts.begin(occasion, typed.progress);
    if (counted === 'over') {
      await occasion.end(ctx, 'attempts');
      return undefined;
    }
    if (counted !== 'blocked') return this.#judge(ctx, occasion, { typed, counted });
    log.emit('psu.login.blocked', occasion.events);
    this.#show(ctx, occasion, { ...typed, problem: { sentence: 'problem.attempts' } });
    return undefined;
  }

  async #judge(
    ctx: Context,
    occasion: Occasion,
    { typed, counted }: { readonly typed: Typed; readonly counted: CountedAnswer },
  ): Promise<Progress | undefined> {
    const { attempts, aspsp } = this.#options;
    const { progress, step, values } = typed;
    const answer = await aspsp
      .answer({ state: step.state, values }, occasion.context)
      .catch(async (error: unknown) => {
        // A bank that did not answer has judged nothing.
        if (isRefusal(error, 'ERR_ASPSP_UNAVAILABLE')) await attempts.takeBack(counted);
        throw error;
      });
    if (answer.type === 'refused') {
      await this.#refuse(ctx, occasion, { typed, counted, answer });
      return undefined;
    }
    await attempts.takeBack(counted);
    if (answer.type === 'authenticated') return { ...progress, proved: provedBy(answer, occasion) };
    const next = { ...progress, number: progress.number + 1, step: { by: 'bank', step: answer } } as const;
    await occasion.keep(next);
    this.#show(ctx, occasion, { progress: next, step: answer });
    return undefined;
  }

  /** The attempt stays counted: the step again, or its successor, or the end of the request. */
  async #refuse(
    ctx: Context,
    occasion: Occasion,
    {
      typed,
      counted,
      answer,
    }: {
      readonly typed: Typed;
      readonly counted: CountedAnswer;
      readonly answer: AuthenticationRefusal;
    },
  ): Promise<void> {
    const event = answer.reason === 'blocked' ? 'psu.login.blocked' : 'psu.login.refused';
    this.#options.log.emit(event, occasion.events);
    if (counted.ofOccasion.isLast) return occasion.end(ctx, 'attempts');
    const problem = answer.text ?? defaultSentence(typed.step, answer.reason);
    const { next } = answer;
    if (next === undefined) return this.#show(ctx, occasion, { ...typed, problem });
    const { progress } = typed;
    const replaced = { ...progress, number: progress.number + 1, step: { by: 'bank', step: next } } as const;
    await occasion.keep(replaced);
    this.#show(ctx, occasion, { progress: replaced, step: next, problem });
  }

  #show(
    ctx: Context,
    { context, csrf, requester }: Occasion,
    {
      progress: { number },
      step,
      problem,
      values,
    }: {
      readonly progress: Progress;
      readonly step: AuthenticationStep;
      readonly problem?: PageText;
      readonly values?: Readonly<Record<string, string>>;
    },
  ): void {
    const fields = step.type === 'form' ? step.fields : [];
    // Before the customer has typed a name, the one that the TPP guesses.
    const hint = values === undefined ? (context.loginHint ?? '') : '';
    const typed = fields.flatMap(({ name, isCustomerName }) =>
      isCustomerName === true ? [[name, values?.[name] ?? hint] as const] : [],
    );
    this.#options.pages.login(ctx, {
      tpp: requester,
      details: context.details,
      csrf,
      number,
      step: isPasswordStep(step) ? PASSWORD_VIEW : step,
      problem,
      typed: Object.fromEntries(typed),
    });
  }
}

function provedBy({ psuId, amr, acr, authTime, linkHash }: AuthenticatedPsu, { context }: Occasion): Proved {
  return {
    psuId,
    amr,
    kinds: kindsOf(amr),
    isLinked: linkHash !== undefined && linkHash === context.linkHash,
    acr,
    authTime: authTime === undefined ? undefined : epochSeconds(authTime),
  };
}

function defaultSentence(step: AuthenticationStep, reason: AuthenticationRefusal['reason']): PageText {
  return isPasswordStep(step) && reason === 'wrong-credentials'
    ? { sentence: 'problem.password' }
    : SENTENCES[reason];
}

/** Also after the step was kept in the store. */
function isPasswordStep(step: AuthenticationStep): boolean {
  return JSON.stringify(step) === JSON.stringify(PASSWORD_STEP);
}

/** The values of the step's fields, and nothing else of the form. */
function valuesOf(
  step: AuthenticationStep,
  form: URLSearchParams,
): { readonly values: Readonly<Record<string, string>>; readonly customerName?: string } {
  if (step.type !== 'form') return { values: {} };
  const typed = (field: StepField) => {
    const value = form.get(field.name) ?? '';
    return field.isCustomerName === true ? value.trim().slice(0, MAX_CUSTOMER_NAME_LENGTH) : value;
  };
  const values = Object.fromEntries(step.fields.map((field) => [field.name, typed(field)]));
  const named = step.fields.find((field) => field.isCustomerName === true);
  return named === undefined ? { values } : { values, customerName: values[named.name] ?? '' };
}
