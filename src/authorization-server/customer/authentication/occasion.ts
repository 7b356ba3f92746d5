import type { Context } from 'koa';
import type { OpenBankingError } from '../../../errors.ts';
import type { EventFields } from '../../../events.ts';
import type { AuthenticationContext, AuthenticationStep } from '../bank/aspsp.ts';
import type { RequesterView } from '../pages/page-views.ts';
import type { AuthenticationRequirements } from './authentication-requirements.ts';
import type { ElementKind } from './elements.ts';
import type { FactorName } from './factors/factor.ts';

/** The reason to authenticate: the request of a TPP, or a page of the bank's own. */
export interface Occasion {
  /** Attempts are counted for it, and challenges are good for it only. */
  readonly id: string;
  /** The token of its forms. */
  readonly csrf: string;
  /** Absent for pages of the bank's own. */
  readonly requester?: RequesterView | undefined;
  readonly requirements: AuthenticationRequirements;
  /** The facts for the bank's steps and for every element. */
  readonly context: AuthenticationContext;
  readonly isPayment: boolean;
  /** Fields of its events. */
  readonly events: EventFields;
  /** How far the customer is; undefined at the beginning. */
  readonly progress: Progress | undefined;
  keep(progress: Progress): Promise<void>;
  /** The customer has proved his identity: leads on. */
  finish(ctx: Context, login: Login): Promise<void>;
  /** The customer cannot go on: ends the request, and shows the reason. */
  end(ctx: Context, reason: EndReason): Promise<void>;
  /** The login does not meet the request: ends the request. */
  refuse(ctx: Context, refusal: OpenBankingError): Promise<void>;
}

/**
 * Why an authentication ends without a login: too many attempts; another request than the one that was shown; the customer's
 * no in the bank's app; no further element of this customer that would do.
 */
export type EndReason = 'attempts' | 'changed' | 'rejected' | 'no-factor';

/** A login, as the request gets it. */
export interface Login {
  readonly psuId: string;
  readonly amr: readonly string[];
  readonly acr?: string | undefined;
  readonly authTime: Date;
  /** Of what was shown in every step. */
  readonly linkHash: string;
  readonly isStrong: boolean;
}

/** How far the customer is. Kept encrypted in the store. */
export interface Progress {
  /** Counts the steps: a form of an earlier step answers nothing. */
  readonly number: number;
  /** Of what is asked for, at the beginning. */
  readonly linkHash: string;
  /** By whose name failed attempts are counted. */
  readonly customerName?: string | undefined;
  /** The elements that the customer has proved so far. */
  readonly proved?: Proved | undefined;
  readonly step: { readonly by: 'bank'; readonly step: AuthenticationStep } | FactorProgress;
}

export interface FactorProgress {
  readonly by: FactorName;
  /** JSON, of the module of the element. */
  readonly state: unknown;
  /** ISO 8601. */
  readonly expiresAt: string;
}

/** Elements that the customer has proved in this authentication. */
export interface Proved {
  readonly psuId: string;
  readonly amr: readonly string[];
  readonly kinds: readonly ElementKind[];
  /** Whether one of them is linked to the request that was shown. */
  readonly isLinked: boolean;
  /** The context that the bank's own steps have reached. */
  readonly acr?: string | undefined;
  /** Epoch seconds; of the bank's own steps, where the bank names the time. */
  readonly authTime?: number | undefined;
}
