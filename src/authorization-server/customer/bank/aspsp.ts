import type { CustomerClaim, CustomerClaimValues } from '../claims/customer-claims.ts';
import type { AspspCall, DecoupledApproval } from './decoupled-approval.ts';
import type { LinkedPayment, StrongAuthentication } from './strong-authentication.ts';

/**
 * The bank behind the authorization server (PSD2: account servicing payment service provider). A bank plugs in its
 * login and its core systems by implementing this interface. Pages, sessions, limits and consents are ours.
 *
 * Each call has a time limit. A call that throws, that returns too late or that returns another shape ends on a plain
 * error page, and nothing is granted.
 */
export interface Aspsp {
  /** The bank's name, as its customers know it. */
  readonly name: string;

  /**
   * Starts an authentication: returns its first step. Called once for each authorization that a customer opens.
   * Absent: the first step asks for customer name and password, in the fields `username` and `password`, and its
   * state is undefined.
   */
  beginAuthentication?(context: AuthenticationContext, call: AspspCall): Promise<AuthenticationStep>;

  /**
   * Verifies the customer's answer to a step: returns the next step, the customer, or a refusal. The call must last as
   * long for an unknown customer as for a wrong password. A throw means that the answer could not be verified.
   *
   * @param state the state of the step that was answered
   * @param values the customer's input, by the names of the fields of the step; empty for a step without fields
   */
  answerAuthentication(
    state: AuthenticationState,
    values: Readonly<Record<string, string>>,
    call: AuthenticationCall,
  ): Promise<AuthenticationAnswer>;

  /**
   * The accounts that the customer may choose from, for a request with these scopes. Where the request names accounts, such
   * as the one to pay from, the bank offers these only.
   */
  listAccounts(
    psuId: string,
    scopes: readonly string[],
    call: AccountsCall,
  ): Promise<readonly AccountChoice[]>;

  /**
   * The claims about a customer of these names, for a TPP that the customer has allowed to have them. A claim that the
   * customer does not have is absent. Required when the configuration names `customerClaims`.
   */
  findClaims?(
    psuId: string,
    names: readonly CustomerClaim[],
    call: AspspCall,
  ): Promise<Readonly<CustomerClaimValues>>;

  /** For OpenID CIBA, which `ciba.enabled` opens. */
  readonly decoupled?: DecoupledApproval;

  /** For strong customer authentication by this server, which `sca.enabled` opens. */
  readonly strong?: StrongAuthentication;
}

/** Arguments of the call that lists accounts. */
export interface AccountsCall extends AspspCall {
  /** RFC 9396 objects of the request; empty where it has scopes only. */
  readonly details: readonly { readonly type: string; readonly [member: string]: unknown }[];
}

/** Arguments of the call that judges the answer to a step. */
export interface AuthenticationCall extends AspspCall {
  readonly request: AuthenticationContext;
}

/** The request for which a customer authenticates: of a TPP, or of the customer himself for the dashboard of what he has allowed. */
export interface AuthenticationContext {
  /** Absent for the dashboard. */
  readonly clientId?: string | undefined;
  /** Absent for the dashboard: no TPP asks. */
  readonly tpp?: { readonly legalName: string; readonly authorizationNumber: string } | undefined;
  /** Empty for the dashboard. */
  readonly scopes: readonly string[];
  /** The access that is asked for, as RFC 9396 objects. */
  readonly details: readonly { readonly type: string; readonly [member: string]: unknown }[];
  /** Amount and payee of each payment, which each step has to show (RTS article 5(1)(a)). */
  readonly payments: readonly LinkedPayment[];
  /** Names all that is asked for: a change of one letter makes another hash. */
  readonly linkHash: string;
  /**
   * The authentication contexts of `acrValues` of the configuration that the request asks for, the preferred first. A login
   * that reaches none of them ends the authorization where they are essential.
   */
  readonly acrValues: readonly string[];
  readonly isAcrEssential: boolean;
  /** How long ago the customer may have proved his identity; 0: he has to do it now. */
  readonly maxAgeSeconds?: number | undefined;
  /** The TPP's guess at the customer's name. Any TPP may send any: never a proof, nor a reason to skip a field. */
  readonly loginHint?: string | undefined;
  /** The languages that the customer prefers, the first most (RFC 5646). */
  readonly uiLocales: readonly string[];
  /** Where a bank's own application sends the customer's browser back to. */
  readonly returnUrl: string;
}

/** A JSON value of at most 4 kB. It is kept encrypted with the authorization and is never sent to the browser. */
export type AuthenticationState = unknown;

/** The next action of the customer. Texts are plain: the pages escape them. */
export type AuthenticationStep = FormStep | RedirectStep | WaitStep;

interface StepOnPage {
  /** Heading of the page. Default "Log in". */
  readonly title?: string | undefined;
  /** A sentence for the customer. */
  readonly text?: string | undefined;
  /** Label of the button that answers the step. Default "Log in" for a form, else "Continue". */
  readonly button?: string | undefined;
  readonly state?: AuthenticationState;
}

/** The customer fills fields. */
export interface FormStep extends StepOnPage {
  readonly type: 'form';
  /** One to eight. */
  readonly fields: readonly StepField[];
}

/** The customer goes to the bank's own application, comes back to `returnUrl`, and continues. */
export interface RedirectStep extends StepOnPage {
  readonly type: 'redirect';
  /** An https address. */
  readonly url: string;
}

/** The customer approves elsewhere, such as in the bank's app, and continues. The same step again: not yet. */
export interface WaitStep extends StepOnPage {
  readonly type: 'wait';
}

export interface StepField {
  readonly name: string;
  readonly label: string;
  readonly type: 'text' | 'password' | 'digits';
  /** Of HTML, such as `username`, `current-password`, `one-time-code`. Default `off`. */
  readonly autocomplete?: string | undefined;
  /** Failed attempts, of this step and of those that follow, are counted for the value of this field. */
  readonly isCustomerName?: boolean | undefined;
}

export type AuthenticationAnswer = AuthenticationStep | AuthenticatedPsu | AuthenticationRefusal;

/** The customer (PSD2: payment service user) has proved his identity. */
export interface AuthenticatedPsu {
  readonly type: 'authenticated';
  /** Becomes the `sub` of tokens: stable, opaque, never a name or an account number. */
  readonly psuId: string;
  /** Authentication methods (RFC 8176), such as `pwd`, `otp`. */
  readonly amr: readonly string[];
  /** One of `acrValues` of the configuration. Default: `defaultAcr` of the configuration. */
  readonly acr?: string | undefined;
  /** Default: now. Never in the future. */
  readonly authTime?: Date | undefined;
  /**
   * The `linkHash` of the request that the customer has seen and confirmed, where the bank's own steps link the
   * authentication to amount and payee (RTS article 5(1)). Absent: they do not.
   */
  readonly linkHash?: string | undefined;
}

/** The answer was wrong. The customer sees the sentence, and the same step again. */
export interface AuthenticationRefusal {
  readonly type: 'refused';
  readonly reason: 'wrong-credentials' | 'blocked';
  /** A sentence for the customer that does not reveal which element was wrong (RTS article 4(3)(a)). */
  readonly text?: string | undefined;
  /** Replaces the step that was answered, such as one with a new code. */
  readonly next?: AuthenticationStep | undefined;
}

export interface AccountChoice {
  readonly accountId: string;
  /** For the customer's eyes, such as "Current account". */
  readonly name: string;
  /** Already masked, such as "•••• 4321". */
  readonly identification: string;
}
