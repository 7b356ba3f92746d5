import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { DEMO_CUSTOMERS } from './customers.ts';
import { amountOf, type Money, minorUnits } from './money.ts';

/** One entry of an account. */
export interface Booking {
  readonly transactionId: string;
  /** ISO 8601, without a time. */
  readonly bookingDate: string;
  /** Negative: money left the account. */
  readonly amount: string;
  /** The other side. */
  readonly party: string;
  readonly reference?: string | undefined;
}

/** An account of the demo bank, as it is now. */
export interface BankAccount {
  readonly accountId: string;
  readonly psuId: string;
  /** The customer who owns it. */
  readonly owner: string;
  readonly name: string;
  readonly iban: string;
  readonly currency: string;
  readonly balance: string;
  /** Newest last. */
  readonly bookings: readonly Booking[];
}

/** Money for one payee. */
export interface Transfer {
  readonly debtorAccountId: string;
  readonly amount: Money;
  readonly creditorName: string;
  /** An account of this bank is credited. */
  readonly creditorIban?: string | undefined;
  readonly reference?: string | undefined;
}

interface Kept extends Omit<BankAccount, 'balance' | 'bookings'> {
  balance: number;
  readonly bookings: Booking[];
}

/** Bookings of an account that a demonstration makes; the oldest are forgotten, the balance stays. */
const MAX_BOOKINGS = 200;
const DATE_LENGTH = 10;

/** The accounts of the demo bank, in memory: each start of the sandbox has the same balances again. */
export class Ledger {
  readonly #clock: Clock;
  readonly #accounts: ReadonlyMap<string, Kept>;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#accounts = new Map(openingAccounts().map((account) => [account.accountId, account]));
  }

  find(accountId: string): BankAccount | undefined {
    const account = this.#accounts.get(accountId);
    return account && view(account);
  }

  /** The account of this bank with an IBAN, or with a sort code and account number. */
  findByNumber(number: string): BankAccount | undefined {
    const found = [...this.#accounts.values()].find(
      ({ iban }) => iban === number || (iban.startsWith('GB') && iban.slice(8) === number),
    );
    return found && view(found);
  }

  accountsOf(psuId: string): readonly BankAccount[] {
    return [...this.#accounts.values()].filter((account) => account.psuId === psuId).map(view);
  }

  /** Whether an account has an amount, in its own currency. */
  hasFunds(accountId: string, { amount, currency }: Money): boolean {
    const account = this.#accounts.get(accountId);
    return account?.currency === currency && account.balance >= minorUnits(amount);
  }

  /** Moves money, both sides at once: false, and nothing moved, when the account does not have it. */
  transfer({ debtorAccountId, amount, creditorName, creditorIban, reference }: Transfer): boolean {
    const debtor = this.#accounts.get(debtorAccountId);
    if (debtor === undefined || !this.hasFunds(debtorAccountId, amount)) return false;
    const units = minorUnits(amount.amount);
    const creditor = creditorIban === undefined ? undefined : this.findByNumber(creditorIban);
    this.#book(debtor, -units, { party: creditorName, reference });
    const own = creditor && this.#accounts.get(creditor.accountId);
    if (own?.currency === debtor.currency) this.#book(own, units, { party: debtor.owner, reference });
    return true;
  }

  #book(account: Kept, units: number, facts: Pick<Booking, 'party' | 'reference'>): void {
    account.balance += units;
    const bookingDate = this.#clock.now().toISOString().slice(0, DATE_LENGTH);
    account.bookings.push({ ...facts, transactionId: randomUUID(), bookingDate, amount: amountOf(units) });
    if (account.bookings.length > MAX_BOOKINGS) account.bookings.shift();
  }
}

function openingAccounts(): readonly Kept[] {
  return DEMO_CUSTOMERS.flatMap(({ psuId, claims, accounts }) =>
    accounts.map(({ accountId, name, iban, currency, balance, transactions }) => ({
      ...{ accountId, psuId, owner: claims.name, name, iban, currency },
      balance: minorUnits(balance),
      bookings: transactions.map(({ creditorName, ...booking }) => ({ ...booking, party: creditorName })),
    })),
  );
}

function view({ balance, bookings, ...account }: Kept): BankAccount {
  return { ...account, balance: amountOf(balance), bookings: [...bookings] };
}
