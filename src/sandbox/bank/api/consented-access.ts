import type { AuthorizationDetail } from '../../../consent/details/authorization-detail.ts';
import type { Consent } from '../../../index.ts';
import type { BankAccount, Ledger } from '../ledger.ts';

/** The access of a consent to the bank's accounts: the accounts that the customer chose, and what may be read of each. */
export class ConsentedAccess {
  readonly consent: Consent;
  readonly #ledger: Ledger;

  constructor(consent: Consent, ledger: Ledger) {
    this.consent = consent;
    this.#ledger = ledger;
  }

  /** The accounts that the customer chose. */
  accounts(): readonly BankAccount[] {
    const { psuId, accountIds } = this.consent;
    return accountIds
      .map((id) => this.#ledger.find(id))
      .filter((account) => account !== undefined)
      .filter((account) => account.psuId === psuId);
  }

  /** Undefined for an account that the customer did not choose, whether or not there is one. */
  account(accountId: string): BankAccount | undefined {
    return this.accounts().find((account) => account.accountId === accountId);
  }

  /** Whether some detail of the consent allows an action for an account. A detail that names no account is for all. */
  allows(action: string, { iban, accountId }: BankAccount): boolean {
    return this.#accessDetails().some(
      (detail) => textsOf(detail.actions).includes(action) && isFor(detail, [iban, accountId]),
    );
  }

  /** Codes of the UK, as the TPP asked for them. */
  hasPermission(permission: string): boolean {
    return this.#accessDetails().some((detail) => textsOf(detail.permissions).includes(permission));
  }

  #accessDetails(): readonly AuthorizationDetail[] {
    return this.consent.details.filter(({ type }) => type === 'account_information');
  }
}

/** The one payment of a consent. */
export function paymentOf({ details }: Consent): AuthorizationDetail | undefined {
  const [payment, more] = details.filter(({ type }) => type === 'payment_initiation');
  return more === undefined ? payment : undefined;
}

function isFor({ accounts }: AuthorizationDetail, names: readonly string[]): boolean {
  if (!Array.isArray(accounts) || accounts.length === 0) return true;
  return accounts.some((named: unknown) => names.includes(accountNumberOf(named) ?? ''));
}

/** The number by which a detail names an account: an IBAN, or the identification of another scheme. */
export function accountNumberOf(named: unknown): string | undefined {
  if (typeof named !== 'object' || named === null) return undefined;
  const { iban, identification } = named as { readonly iban?: unknown; readonly identification?: unknown };
  const number = iban ?? identification;
  return typeof number === 'string' ? number : undefined;
}

/** The texts of a member that may be a list of them. */
export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}
