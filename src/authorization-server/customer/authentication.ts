import type { Context } from 'koa';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { type Clock, epochSeconds } from '../../clock.ts';
import type { Log } from '../../events.ts';
import type { AspspCalls } from './aspsp-calls.ts';
import type {
  AuthenticatedPsu,
  AuthenticationRefusal,
  AuthenticationStep,
  FormStep,
  StepField,
} from './aspsp.ts';
import {
  finishInteraction,
  interactionFields,
  type OpenInteraction,
  requesterOf,
} from './open-interaction.ts';
import type { OwnForms } from './own-forms.ts';
import type { Pages } from './pages/pages.ts';

export interface AuthenticationOptions {
  readonly aspsp: AspspCalls;
  readonly pages: Pages;
  readonly forms: OwnForms;
  readonly issuer: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** RTS on strong customer authentication article 4(3)(b): at most five failed attempts, then a block. */
const MAX_FAILED_ATTEMPTS = 5;
const BLOCK_SECONDS = 15 * 60;
const MAX_CUSTOMER_NAME_LENGTH = 128;
const WRONG_CREDENTIALS = 'That customer name and password do not belong together. Please try again.';
const SENTENCES = {
  'wrong-credentials': 'That was not right. Please try again.',
  blocked: 'Your access is blocked at present. Please call us.',
} as const satisfies Record<AuthenticationRefusal['reason'], string>;

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

/** How far the customer is. Kept in the provider's interaction, which is encrypted in the store. */
interface Progress {
  /** Counts the steps: a form of an earlier step answers nothing. */
  readonly number: number;
  readonly step: AuthenticationStep;
  /** By whose name failed attempts are counted. */
  readonly customerName?: string | undefined;
}

/** The login prompt: the steps of the bank's authentication, on our pages. */
export class Authentication {
  readonly #options: AuthenticationOptions;
  readonly #attempts = new RateLimiterMemory({ points: MAX_FAILED_ATTEMPTS, duration: BLOCK_SECONDS });

  constructor(options: AuthenticationOptions) {
    this.#options = options;
  }

  /** Shows the step where the customer is. Begins the authentication when there is none yet. */
  async show(ctx: Context, open: OpenInteraction): Promise<void> {
    this.#showStep(ctx, open, await this.#progressOf(open));
  }

  /** The bank verifies the customer's answer to the step; the next page follows. */
  async answer(ctx: Context, open: OpenInteraction, form: URLSearchParams): Promise<void> {
    const { aspsp, log, pages } = this.#options;
    const progress = await this.#progressOf(open);
    // Of the page of an earlier step, by the back button or in another tab.
    if ((form.get('step') ?? '0') !== String(progress.number)) return this.#showStep(ctx, open, progress);
    const { values, customerName = progress.customerName } = valuesOf(progress.step, form);
    const counted = customerName === undefined ? `uid\0${open.interaction.uid}` : `name\0${customerName}`;
    // Counted before the bank is asked, so that parallel attempts cannot pass the limit together.
    const isBlocked = await this.#attempts.consume(counted).then(
      () => false,
      () => true,
    );
    if (isBlocked) {
      log.emit('psu.login.blocked', interactionFields(ctx, open));
      return this.#showStep(ctx, open, progress, defaultSentence(progress.step, 'wrong-credentials'));
    }
    const answer = await aspsp.answer(progress.step.state, values);
    if (answer.type === 'authenticated') {
      await this.#attempts.delete(counted);
      return finishInteraction(ctx, open, { pages, result: { login: this.#loginOf(answer) } });
    }
    if (answer.type === 'refused') return this.#refuse(ctx, open, { progress, answer });
    await this.#attempts.reward(counted);
    const next = { number: progress.number + 1, step: answer, customerName };
    await keep(open, next);
    this.#showStep(ctx, open, next);
  }

  async #refuse(
    ctx: Context,
    open: OpenInteraction,
    { progress, answer }: { readonly progress: Progress; readonly answer: AuthenticationRefusal },
  ): Promise<void> {
    const event = answer.reason === 'blocked' ? 'psu.login.blocked' : 'psu.login.refused';
    this.#options.log.emit(event, interactionFields(ctx, open));
    const problem = answer.text ?? defaultSentence(progress.step, answer.reason);
    if (answer.next === undefined) return this.#showStep(ctx, open, progress, problem);
    const next = { ...progress, number: progress.number + 1, step: answer.next };
    await keep(open, next);
    this.#showStep(ctx, open, next, problem);
  }

  async #progressOf(open: OpenInteraction): Promise<Progress> {
    const kept = open.interaction.result?.authentication;
    if (kept !== undefined) return kept as Progress;
    const step = await this.#options.aspsp.begin({
      clientId: open.client.clientId,
      tpp: { legalName: open.tpp.legalName, authorizationNumber: open.tpp.authorizationNumber },
      scopes: open.scopes,
      returnUrl: new URL(`/interaction/${open.interaction.uid}`, this.#options.issuer).href,
    });
    if (step === undefined) return { number: 0, step: PASSWORD_STEP };
    const progress = { number: 0, step };
    await keep(open, progress);
    return progress;
  }

  #showStep(ctx: Context, open: OpenInteraction, progress: Progress, problem?: string): void {
    const { pages, forms } = this.#options;
    pages.login(ctx, {
      tpp: requesterOf(open),
      csrf: forms.tokenOf(open),
      number: progress.number,
      step: progress.step,
      problem,
    });
  }

  #loginOf({ psuId, amr, acr, authTime }: AuthenticatedPsu) {
    return {
      accountId: psuId,
      remember: false,
      amr: [...amr],
      ts: epochSeconds(authTime ?? this.#options.clock.now()),
      acr,
    };
  }
}

async function keep({ interaction }: OpenInteraction, progress: Progress): Promise<void> {
  interaction.result = { authentication: progress };
  await interaction.persist();
}

function defaultSentence(step: AuthenticationStep, reason: AuthenticationRefusal['reason']): string {
  return step === PASSWORD_STEP && reason === 'wrong-credentials' ? WRONG_CREDENTIALS : SENTENCES[reason];
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
