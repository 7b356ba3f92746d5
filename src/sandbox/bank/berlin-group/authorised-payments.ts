import type { Consents, Log } from '../../../index.ts';
import type { PaymentOrders } from '../api/payment-orders.ts';

const POLL_MILLISECONDS = 500;
/** The sandbox waits no longer for a customer than his consent can be authorised. */
const MAX_WAITING = 100;

/** Carries out payments when their customers have authorised them, while there are such payments. */
export class AuthorisedPayments {
  readonly #parts: {
    readonly consents: Pick<Consents, 'find'>;
    readonly orders: PaymentOrders;
    readonly log: Log;
  };
  readonly #waiting = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: {
    readonly consents: Pick<Consents, 'find'>;
    readonly orders: PaymentOrders;
    readonly log: Log;
  }) {
    this.#parts = parts;
  }

  /** Begins to wait for the customer of a payment. */
  await(consentId: string): void {
    this.#waiting.add(consentId);
    const [oldest] = this.#waiting;
    if (this.#waiting.size > MAX_WAITING && oldest !== undefined) this.#waiting.delete(oldest);
    this.#timer ??= setInterval(() => void this.#settleAll(), POLL_MILLISECONDS).unref();
  }

  /** Carries out a payment that was authorised since. */
  async settle(consentId: string): Promise<void> {
    const { consents, orders } = this.#parts;
    const consent = await consents.find(consentId);
    if (consent?.status === 'authorised') await orders.execute(consent);
    if (consent?.status !== 'awaiting-authorisation') this.#waiting.delete(consentId);
  }

  async #settleAll(): Promise<void> {
    try {
      await Promise.all([...this.#waiting].map((consentId) => this.settle(consentId)));
      if (this.#waiting.size === 0) this.close();
    } catch (error) {
      this.#parts.log.emit('bank.unexpected', { error });
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
