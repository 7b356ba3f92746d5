import type { Context } from 'koa';
import { type Clock, epochSeconds } from '../../../clock.ts';
import { isRefusal } from '../../../errors.ts';
import type { Log } from '../../../events.ts';
import type { AspspCalls } from '../bank/aspsp-calls.ts';
import type {
  AuthenticatedPsu,
  AuthenticationContext,
  AuthenticationRefusal,
  AuthenticationStep,
  FormStep,
  StepField,
} from '../bank/aspsp.ts';
import { profileOf, type Profiles } from '../../profiles/profiles.ts';
import { assertMet, type AuthenticationRequirements, requirementsOf } from './authentication-requirements.ts';
import { loginHintOf, uiLocalesOf } from './hints.ts';
import type { LoginAttempt, LoginAttempts } from './login-attempts.ts';
import {
  finishInteraction,
  interactionFields,
  type OpenInteraction,
  requesterOf,
  stopInteraction,
} from '../open-interaction.ts';
import type { OwnForms } from '../own-forms.ts';
import { oauthAnswer } from '../../request/oauth-error.ts';
import type { Pages } from '../pages/pages.ts';

export interface AuthenticationOptions {
  readonly aspsp: AspspCalls;
  /** Authentication contexts that logins can reach. */
  readonly acrValues: readonly string[];
  readonly profiles: Profiles;
  readonly attempts: LoginAttempts;
  readonly pages: Pages;
  readonly forms: OwnForms;
  readonly issuer: string;
  readonly clock: Clock;
  readonly log: Log;
}

const MAX_CUSTOMER_NAME_LENGTH = 128;
const WRONG_CREDENTIALS = 'That customer name and password do not belong together. Please try again.';
const TOO_MANY_ATTEMPTS =
  'There were too many failed attempts for this customer name. Please wait 15 minutes, or call us.';
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

/** An answer of the customer to a step, and the attempts that are counted for it. */
interface Answered {
  readonly progress: Progress;
  readonly values: Readonly<Record<string, string>>;
  readonly customerName: string | undefined;
  readonly ofInteraction: LoginAttempt;
  readonly ofCustomer: LoginAttempt | undefined;
}

/** The login prompt: the steps of the bank's authentication, on our pages. */
export class Authentication {
  readonly #options: AuthenticationOptions;

  constructor(options: AuthenticationOptions) {
    this.#options = options;
  }

  /** Shows the step where the customer is. Begins the authentication when there is none yet. */
  async show(ctx: Context, open: OpenInteraction): Promise<void> {
    this.#showStep(ctx, open, { progress: await this.#progressOf(open) });
  }

  /** The bank verifies the customer's answer to the step; the next page follows. */
  async answer(ctx: Context, open: OpenInteraction, form: URLSearchParams): Promise<void> {
    const { attempts, log } = this.#options;
    const progress = await this.#progressOf(open);
    // Of the page of an earlier step, by the back button or in another tab.
    if ((form.get('step') ?? '0') !== String(progress.number)) return this.#showStep(ctx, open, { progress });
    const { values, customerName = progress.customerName } = valuesOf(progress.step, form);
    const ofInteraction = await attempts.begin('interaction', open.interaction.uid);
    if (ofInteraction === undefined) return this.#stop(ctx, open);
    const ofCustomer =
      customerName === undefined ? undefined : await attempts.begin('customer', customerName);
    const answered = { progress, values, customerName, ofInteraction, ofCustomer };
    if (customerName === undefined || ofCustomer !== undefined) return this.#judge(ctx, open, answered);
    log.emit('psu.login.blocked', interactionFields(ctx, open));
    return this.#fail(ctx, open, { answered, problem: TOO_MANY_ATTEMPTS });
  }

  async #judge(ctx: Context, open: OpenInteraction, answered: Answered): Promise<void> {
    const { attempts, aspsp } = this.#options;
    const { progress, values, customerName, ofInteraction, ofCustomer } = answered;
    const counted = ofCustomer === undefined ? [ofInteraction] : [ofInteraction, ofCustomer];
    const answer = await aspsp
      .answer({ state: progress.step.state, values }, this.#contextOf(open))
      .catch(async (error: unknown) => {
        // A bank that did not answer has judged nothing.
        if (isRefusal(error, 'ERR_ASPSP_UNAVAILABLE')) await attempts.takeBack(counted);
        throw error;
      });
    if (answer.type === 'authenticated') {
      if (customerName !== undefined) await attempts.forget('customer', customerName);
      return this.#finish(ctx, open, answer);
    }
    if (answer.type === 'refused') return this.#refuse(ctx, open, { answered, answer });
    await attempts.takeBack(counted);
    const next = { number: progress.number + 1, step: answer, customerName };
    await keep(open, next);
    this.#showStep(ctx, open, { progress: next });
  }

  /** The customer has logged in. A login that does not meet the request ends it: another one would not be better. */
  #finish(ctx: Context, open: OpenInteraction, psu: AuthenticatedPsu): Promise<void> {
    const { pages, clock, log } = this.#options;
    try {
      assertMet(this.#requirementsOf(open), psu, clock.now());
    } catch (error) {
      if (!isRefusal(error)) throw error;
      log.emit('psu.login.unmet', { ...interactionFields(ctx, open), error });
      return finishInteraction(ctx, open, { pages, result: oauthAnswer(error).body });
    }
    return finishInteraction(ctx, open, { pages, result: { login: this.#loginOf(psu) } });
  }

  #refuse(
    ctx: Context,
    open: OpenInteraction,
    { answered, answer }: { readonly answered: Answered; readonly answer: AuthenticationRefusal },
  ): Promise<void> {
    const event = answer.reason === 'blocked' ? 'psu.login.blocked' : 'psu.login.refused';
    this.#options.log.emit(event, interactionFields(ctx, open));
    const problem = answer.text ?? defaultSentence(answered.progress.step, answer.reason);
    return this.#fail(ctx, open, { answered, problem, next: answer.next });
  }

  /** The attempt stays counted: the step again, or its successor, or the end of the interaction. */
  async #fail(
    ctx: Context,
    open: OpenInteraction,
    {
      answered: { progress, values, ofInteraction },
      problem,
      next,
    }: {
      readonly answered: Answered;
      readonly problem: string;
      readonly next?: AuthenticationStep | undefined;
    },
  ): Promise<void> {
    if (ofInteraction.isLast) return this.#stop(ctx, open);
    if (next === undefined) return this.#showStep(ctx, open, { progress, problem, values });
    const replaced = { ...progress, number: progress.number + 1, step: next };
    await keep(open, replaced);
    this.#showStep(ctx, open, { progress: replaced, problem });
  }

  #stop(ctx: Context, open: OpenInteraction): Promise<void> {
    const { log, pages } = this.#options;
    log.emit('psu.login.stopped', interactionFields(ctx, open));
    const result = { error: 'access_denied', error_description: 'too many failed attempts to log in' };
    return stopInteraction(ctx, open, { pages, reason: 'attempts', status: 403, result });
  }

  async #progressOf(open: OpenInteraction): Promise<Progress> {
    const kept = open.interaction.result?.authentication;
    if (kept !== undefined) return kept as Progress;
    const step = await this.#options.aspsp.begin(this.#contextOf(open));
    if (step === undefined) return { number: 0, step: PASSWORD_STEP };
    const progress = { number: 0, step };
    await keep(open, progress);
    return progress;
  }

  #requirementsOf({ interaction, client }: OpenInteraction): AuthenticationRequirements {
    return requirementsOf(interaction.params, profileOf(client, this.#options.profiles).market);
  }

  #contextOf(open: OpenInteraction): AuthenticationContext {
    const { issuer, acrValues } = this.#options;
    const { params, uid } = open.interaction;
    const requirements = this.#requirementsOf(open);
    return {
      clientId: open.client.clientId,
      tpp: { legalName: open.tpp.legalName, authorizationNumber: open.tpp.authorizationNumber },
      scopes: open.scopes,
      acrValues: requirements.acrValues.filter((value) => acrValues.includes(value)),
      isAcrEssential: requirements.isAcrEssential,
      maxAgeSeconds: requirements.maxAgeSeconds,
      loginHint: loginHintOf(params),
      uiLocales: uiLocalesOf(params),
      returnUrl: new URL(`/interaction/${uid}`, issuer).href,
    };
  }

  #showStep(
    ctx: Context,
    open: OpenInteraction,
    {
      progress: { number, step },
      problem,
      values,
    }: {
      readonly progress: Progress;
      readonly problem?: string;
      readonly values?: Readonly<Record<string, string>>;
    },
  ): void {
    const { pages, forms } = this.#options;
    const fields = step.type === 'form' ? step.fields : [];
    // Before the customer has typed a name, the one that the TPP guesses.
    const hint = values === undefined ? (loginHintOf(open.interaction.params) ?? '') : '';
    const typed = fields.flatMap(({ name, isCustomerName }) =>
      isCustomerName === true ? [[name, values?.[name] ?? hint] as const] : [],
    );
    pages.login(ctx, {
      tpp: requesterOf(open),
      csrf: forms.tokenOf(open),
      number,
      step,
      problem,
      typed: Object.fromEntries(typed),
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
