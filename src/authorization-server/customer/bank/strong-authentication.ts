import type { AspspCall } from './decoupled-approval.ts';

/**
 * The part of a bank's module for strong customer authentication (RTS articles 4 to 10a), which `sca.enabled` opens. The
 * bank's own steps ask for the first element, such as a password, and name the customer. This server then asks for an
 * element of another kind: challenges, their link to amount and payee, attempts and times are ours.
 */
export interface StrongAuthentication {
  /** Called once when the server starts, before any request. Required for the factor `app`. */
  connect?(confirmations: Confirmations): void;

  /** The elements that a customer has at the bank. Passkeys are kept by this server. */
  findFactors(psuId: string, call: AspspCall): Promise<CustomerFactors>;

  /**
   * Sends a one-time code, by SMS or to the bank's app: resolves when the message is on its way. Required for the factor
   * `code`. The message must name amount and payee where there are any (RTS article 5(1)(a)).
   */
  sendCode?(message: CodeMessage, call: AspspCall): Promise<void>;

  /** Asks in the bank's app: resolves when the question is on its way. Required for the factor `app`. */
  askInApp?(request: ConfirmationRequest, call: AspspCall): Promise<void>;

  /**
   * Whether the bank applies no strong customer authentication to this access (RTS article 10a). Called for access to
   * accounts only, never for the first access of a TPP to a customer's accounts, and never when the last strong
   * customer authentication for this TPP is more than 180 days old. Absent: always with strong customer authentication.
   */
  exempts?(access: ExemptibleAccess, call: AspspCall): Promise<boolean>;
}

/** Absent members: the customer has no such element. */
export interface CustomerFactors {
  readonly totp?: TotpSecret | undefined;
  /** Where one-time codes go, masked for the customer's eyes, such as "•••• 42". */
  readonly code?: { readonly address: string } | undefined;
  /** The device with the bank's app, by a name for the customer's eyes. */
  readonly app?: { readonly device: string } | undefined;
}

/** The key of a customer's generator of codes (RFC 6238). */
export interface TotpSecret {
  /** Base32, of 128 bits or more (RFC 4226 §4). */
  readonly secret: string;
  /** Default SHA1. */
  readonly algorithm?: 'SHA1' | 'SHA256' | 'SHA512' | undefined;
  /** Default 6. */
  readonly digits?: 6 | 8 | undefined;
  /** Default 30. */
  readonly periodSeconds?: 30 | 60 | undefined;
}

/** An amount, as requests name it: a decimal number as text. */
export interface Amount {
  readonly currency: string;
  readonly amount: string;
}

/** A payment that the customer approves. */
export interface LinkedPayment {
  readonly amount: Amount;
  readonly payee: string;
  /** The payee's account, such as an IBAN. */
  readonly payeeAccount?: string | undefined;
}

/** The request that an element is asked for. Everything in here is to be shown to the customer. */
export interface AskedOf {
  readonly psuId: string;
  /** Absent: the customer opens pages of the bank's own, such as the list of accesses. */
  readonly tpp?:
    | { readonly service: string; readonly legalName: string; readonly authorizationNumber: string }
    | undefined;
  readonly scopes: readonly string[];
  /** RFC 9396 objects. */
  readonly details: readonly { readonly type: string; readonly [member: string]: unknown }[];
  /** Amount and payee of each payment; empty for access without one. */
  readonly payments: readonly LinkedPayment[];
  /** Names all of that: a change of one letter makes another hash (RTS article 5(1)(b) to (d)). */
  readonly linkHash: string;
  /** The languages that the customer prefers, the first most (RFC 5646). */
  readonly uiLocales: readonly string[];
  /** The end of this question. */
  readonly expiresAt: Date;
}

export interface CodeMessage extends AskedOf {
  /** Six digits, good for this request only. */
  readonly code: string;
  /** Four characters that the page shows too: they name the message. */
  readonly reference: string;
  /** The whole message in the customer's language: service, amount, payee, reference and code. */
  readonly text: string;
}

/** A question in the bank's app. */
export interface ConfirmationRequest extends AskedOf {
  readonly confirmationId: string;
  /** Two digits that the page shows too: the customer compares both, or types them in the app. */
  readonly comparison: string;
}

export interface ExemptibleAccess extends Pick<AskedOf, 'psuId' | 'scopes' | 'details'> {
  readonly clientId: string;
  readonly authorizationNumber: string;
  /** The last strong customer authentication of this customer for this TPP. */
  readonly lastStrongAt: Date;
}

/** The customer's answer in the bank's app. */
export interface Confirmation {
  /** Of the request that the app has shown. */
  readonly linkHash: string;
  /** The methods (RFC 8176) by which the app has verified its customer, such as `hwk` and `fpt`. */
  readonly amr: readonly string[];
}

/**
 * Questions in the bank's app, for the bank. Each method works in every process that shares the store. The first answer
 * stays: repeating it changes nothing, and returns the one that stands.
 *
 * An answer is refused with ERR_APPROVAL_OVER when the question has ended, and with ERR_APPROVAL_INVALID when its
 * `linkHash` is not that of the question.
 */
export interface Confirmations {
  /** A question that waits for its answer. */
  find(confirmationId: string): Promise<ConfirmationRequest | undefined>;
  /** Every question that waits for this customer, oldest first. */
  waitingFor(psuId: string): Promise<readonly ConfirmationRequest[]>;
  confirm(confirmationId: string, confirmation: Confirmation): Promise<'confirmed' | 'rejected'>;
  reject(confirmationId: string): Promise<'confirmed' | 'rejected'>;
}
