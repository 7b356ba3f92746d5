/** Arguments of every call of the bank's module. */
export interface AspspCall {
  /** Aborted at the end of the time limit. */
  readonly signal: AbortSignal;
}

/**
 * The part of a bank's module that asks a customer on a device of the customer's own, such as the bank's app: for OpenID
 * CIBA, where a TPP starts the request and there is no browser. The bank finds the customer, and asks. The answer
 * comes later, from any process, through `Approvals`.
 */
export interface DecoupledApproval {
  /** Called once when the server starts, before any request. */
  connect(approvals: Approvals): void;

  /**
   * Finds the customer that a TPP means. The call must last as long for an unknown customer as for a known one. A throw
   * means that the customer could not be looked up.
   */
  findCustomer(hint: CustomerHint, call: AspspCall): Promise<FoundCustomer>;

  /**
   * Asks the customer: resolves when the question is on its way, not when it is answered. The TPP has its answer
   * already, and does not wait for this call. A throw ends the request with `access_denied`.
   */
  startApproval(request: ApprovalRequest, call: AspspCall): Promise<void>;
}

/** Whom a TPP means. */
export interface CustomerHint {
  /** `login_hint` is free text of the TPP; `id_token_hint` was an ID token of this server, for `psuId`. */
  readonly type: 'login_hint' | 'id_token_hint';
  /** The text, or the `psuId`. At most 256 characters. */
  readonly value: string;
  /** The secret by which the customer agreed to be asked (CIBA §7.1). Only where `ciba.userCode` is on. */
  readonly userCode?: string | undefined;
  readonly clientId: string;
}

export type FoundCustomer =
  | { readonly type: 'found'; readonly psuId: string }
  | { readonly type: 'unknown' }
  | { readonly type: 'user-code'; readonly problem: 'missing' | 'wrong' };

/** The question for a customer. */
export interface ApprovalRequest {
  /** Names the request at the bank. The TPP does not know this id, and the bank does not know the TPP's `auth_req_id`. */
  readonly approvalId: string;
  readonly psuId: string;
  readonly clientId: string;
  readonly tpp: {
    /** The name of its service, as the pages show it. */
    readonly service: string;
    readonly legalName: string;
    readonly authorizationNumber: string;
  };
  readonly scopes: readonly string[];
  /** RFC 9396 objects; empty where the request has scopes only. A payment is shown with amount and payee. */
  readonly details: readonly { readonly type: string; readonly [member: string]: unknown }[];
  /** Names everything that is shown (RTS article 5). */
  readonly linkHash: string;
  /** The same sentences that the consent page has for the scopes. */
  readonly permissions: readonly { readonly title: string; readonly text: string }[];
  /** Whether the customer has to choose accounts: `listAccounts` has them. */
  readonly needsAccounts: boolean;
  /** Shown at the TPP too: the customer compares both. Printable ASCII. */
  readonly bindingMessage?: string | undefined;
  /** Authentication contexts that the TPP wishes, or demands: an approval then needs one of them. */
  readonly acrValues: readonly string[];
  readonly isAcrEssential: boolean;
  /** The end of this question. */
  readonly expiresAt: Date;
  /** The end of the consent that an approval makes. */
  readonly consentUntil: Date;
}

/** The answer of a customer who allows the access. */
export interface Approval {
  /** At least one where the request `needsAccounts`, else none. Each is one of `listAccounts`. */
  readonly accountIds: readonly string[];
  /** The `linkHash` of what the customer was shown. Required for a payment. */
  readonly linkHash?: string | undefined;
  /** Authentication methods (RFC 8176), such as `pwd`, `swk`. */
  readonly amr: readonly string[];
  readonly acr?: string | undefined;
  /** Default: now. Never in the future. */
  readonly authTime?: Date | undefined;
}

/** The decision that stands. */
export interface StandingDecision {
  readonly decision: 'approved' | 'rejected';
  /** Whether this call made it. */
  readonly isFirst: boolean;
}

/**
 * The answers of customers, for the bank. Each method works in every process that shares the store, also after a
 * restart. The first answer stays: repeating it, or sending another, changes nothing and returns the one that stands. A call
 * that throws ERR_STORAGE_UNAVAILABLE can be repeated.
 *
 * An answer is refused with ERR_APPROVAL_OVER when there is no such request any more, ERR_APPROVAL_INVALID when it does
 * not fit the request, and the code of the rule when the TPP or its client is no longer allowed to ask.
 */
export interface Approvals {
  /** A request that waits for its answer. */
  find(approvalId: string): Promise<ApprovalRequest | undefined>;
  /** Every request that waits for this customer, oldest first. */
  waitingFor(psuId: string): Promise<readonly ApprovalRequest[]>;
  /** Makes the consent, exactly as the pages do; the TPP then gets its tokens. */
  approve(approvalId: string, approval: Approval): Promise<StandingDecision>;
  /** The TPP then gets `access_denied`. */
  reject(approvalId: string): Promise<StandingDecision>;
  /** The `approvalId` of the `auth_req_id` that a TPP quotes. */
  idOf(authReqId: string): string;
}
