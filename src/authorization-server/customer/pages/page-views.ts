import type { FactorName } from '../authentication/factors/factor.ts';
import type { FactorChallengeView } from '../authentication/factors/factor-view.ts';
import type { AccountChoice, FormStep, RedirectStep, StepField, WaitStep } from '../bank/aspsp.ts';
import type { AskedDetail } from './consent-view/asked-members.ts';
import type { AskedContent } from './consent-view/consent-view.ts';
import type { MessageName } from './words/messages.ts';
import type { PageText } from './words/words.ts';

/** The TPP that asks, as the pages name it. */
export interface RequesterView {
  /** The name of its service (UK: trading name). */
  readonly name: string;
  /** On whose behalf the TPP acts. */
  readonly agent?: string | undefined;
  readonly purpose?: string | undefined;
  readonly legalName: string;
  readonly authorizationNumber: string;
  readonly nca: string;
}

interface OwnForm {
  readonly csrf: string;
  /** Shown above the form; the answer is 422 then. */
  readonly problem?: PageText | undefined;
}

/** A step of the authentication. */
interface StepPage {
  /** Absent for pages of the bank's own. */
  readonly tpp?: RequesterView | undefined;
  /** Amount and payee of payments are shown at each step (RTS article 5(1)(a)). */
  readonly details: readonly AskedDetail[];
  /** Which of the steps this is; comes back with its form. */
  readonly number: number;
}

/** A step whose texts are sentences of ours or of the bank. */
type WithTexts<Step> = Omit<Step, 'title' | 'text' | 'button' | 'fields' | 'state'> & {
  readonly title?: PageText | undefined;
  readonly text?: PageText | undefined;
  readonly button?: PageText | undefined;
};
type FieldView = Omit<StepField, 'label'> & { readonly label: PageText };
export type StepView =
  | (WithTexts<FormStep> & { readonly fields: readonly FieldView[] })
  | WithTexts<RedirectStep>
  | WithTexts<WaitStep>;

export interface LoginPage extends StepPage, OwnForm {
  readonly step: StepView;
  /** The customer's own name, as it was typed, by the name of its field. */
  readonly typed: Readonly<Record<string, string>>;
}

/**
 * Why the page of an element is there again. `wrong` and `blocked` name no element that failed (RTS article 4(3)(a));
 * `ended`: the code or the question is not good any more; `messages`: the customer was sent as many as there may be.
 */
export type FactorProblem = 'wrong' | 'blocked' | 'ended' | 'messages';

/** The page that asks for a further element. */
export interface FactorPage extends StepPage {
  readonly csrf: string;
  readonly challenge: FactorChallengeView;
  /** Elements that the customer may choose; the present one is among them where its message can be sent again. */
  readonly others: readonly FactorName[];
  readonly problem?: FactorProblem | undefined;
}

/** The passkeys of a customer, who adds and removes them. */
export interface PasskeysPage {
  readonly csrf: string;
  /** Times are of ISO 8601. */
  readonly passkeys: readonly {
    readonly credentialId: string;
    readonly name: string;
    readonly createdAt: string;
    readonly lastUsedAt?: string | undefined;
  }[];
  /** Absent: the customer has as many as there may be. `options` is for the script, and `offer` comes back with its answer. */
  readonly offer?: { readonly options: string; readonly offer: string } | undefined;
  readonly done?: 'added' | 'removed' | 'failed' | undefined;
}

/** The accounts of the consent page; absent where the request opens no API. */
export interface AccountsView {
  readonly choice: 'many' | 'one';
  readonly offered: readonly AccountChoice[];
  /** Identifiers of those that are marked already: the customer chose them before. */
  readonly chosen?: readonly string[] | undefined;
}

export interface ConsentPage extends OwnForm {
  readonly tpp: RequesterView;
  readonly asked: AskedContent;
  readonly accounts?: AccountsView | undefined;
  /** The end of the access. Not shown for a payment, which is over when it is made. */
  readonly until: Date;
  /** The same customer has allowed it before, and it goes on. */
  readonly isRenewal?: boolean | undefined;
  /** The earlier access that this one changes: `asked` has what is new then. */
  readonly earlier?: { readonly action: 'merge' | 'replace'; readonly content: AskedContent } | undefined;
}

type StopName = Extract<MessageName, `stop.${string}.text`>;
/** Why a request cannot go on: each has its own heading and sentence. */
export type StopReason = StopName extends `stop.${infer Reason}.text` ? Reason : never;

export interface StoppedPage {
  readonly reason: StopReason;
  readonly status: number;
  /** The name of the TPP's service. */
  readonly service: string;
  /** The way back to the TPP: an address, or a form of the page at `path`, which may also be opened again. */
  readonly back: { readonly url: string } | { readonly csrf: string; readonly path: string };
}
