import type { Consents, Log } from '../../../index.ts';
import type { PaymentOrders } from '../api/payment-orders.ts';

const POLL_MILLISECONDS = 500;
/** So many polls leave the TPP the time to redeem its code: a payment that is carried out ends its grant. */
const POLLS_BEFORE = 6;
/** The sandbox waits no longer for a customer than his consent can be authorised. */
const MAX_WAITING = 100;

/** Carries out payments when their customers have authorised them, while there are such payments. */
export class AuthorisedPayments {
  readonly #parts: {
    readonly consents: Pick<Consents, 'find'>;
    readonly orders: PaymentOrders;
    readonly log: Log;
  };
  /** By consent, the polls that found it authorised. */
  readonly #waiting = new Map<string, number>();
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
    this.#waiting.set(consentId, 0);
    const [oldest] = this.#waiting.keys();
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

  async #poll(consentId: string): Promise<void> {
    const consent = await this.#parts.consents.find(consentId);
    const polls = (this.#waiting.get(consentId) ?? 0) + (consent?.status === 'authorised' ? 1 : 0);
    if (consent?.status === 'authorised' && polls < POLLS_BEFORE) this.#waiting.set(consentId, polls);
    else await this.settle(consentId);
  }

  async #settleAll(): Promise<void> {
    try {
      await Promise.all([...this.#waiting.keys()].map((consentId) => this.#poll(consentId)));
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
