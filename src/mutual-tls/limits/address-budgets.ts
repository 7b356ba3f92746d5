/** The CPU time that an address may use at once before its share counts: about 500 handshakes. */
const BURST_MILLISECONDS = 500;
/** Addresses without a connection that are remembered for the time that they have used. */
const MAX_RESTING = 10_000;

/** The connections of one address, and the CPU time of their handshakes that its share has not paid for yet. */
export interface AddressBudget {
  readonly network: string;
  open: number;
  pending: number;
  debtMilliseconds: number;
  /** Monotonic time of the debt, in milliseconds. */
  at: number;
}

/** The budgets of all addresses. Bounded by the open connections and `MAX_RESTING`. */
export class AddressBudgets {
  #share: number;
  readonly #now: () => number;
  readonly #open = new Map<string, AddressBudget>();
  readonly #resting = new Map<string, AddressBudget>();

  /** @param percent of one core that the handshakes of one address may use in the long run */
  constructor(percent: number, now: () => number) {
    this.#share = percent / 100;
    this.#now = now;
  }

  /** Changes the share of each address from now on. */
  change(percent: number): void {
    this.#share = percent / 100;
  }

  of(network: string): AddressBudget {
    const known = this.#open.get(network) ?? this.#resting.get(network);
    return known ?? { network, open: 0, pending: 0, debtMilliseconds: 0, at: this.#now() };
  }

  isSpent(budget: AddressBudget): boolean {
    return this.#debtOf(budget) >= BURST_MILLISECONDS;
  }

  charge(budget: AddressBudget, milliseconds: number): void {
    budget.debtMilliseconds = this.#debtOf(budget) + milliseconds;
    budget.at = this.#now();
  }

  connect(budget: AddressBudget): void {
    budget.open += 1;
    this.#resting.delete(budget.network);
    this.#open.set(budget.network, budget);
  }

  disconnect(budget: AddressBudget): void {
    budget.open -= 1;
    if (budget.open > 0) return;
    this.#open.delete(budget.network);
    if (this.#debtOf(budget) === 0) return;
    this.#resting.set(budget.network, budget);
    const [oldest] = this.#resting.keys();
    if (this.#resting.size > MAX_RESTING && oldest !== undefined) this.#resting.delete(oldest);
  }

  #debtOf({ debtMilliseconds, at }: AddressBudget): number {
    return Math.max(0, debtMilliseconds - (this.#now() - at) * this.#share);
  }
}
