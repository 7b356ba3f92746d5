import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { AuthorizationDetail } from '../../../consent/details/authorization-detail.ts';
import type { Clock, Consent, Consents } from '../../../index.ts';
import type { Ledger } from '../ledger.ts';
import { isAmount, type Money } from '../money.ts';
import { accountNumberOf, paymentOf } from './consented-access.ts';

/** A payment that the bank has carried out, or could not for want of money. */
export interface PaymentOrder {
  readonly paymentId: string;
  readonly consentId: string;
  readonly clientId: string;
  readonly authorizationNumber: string;
  readonly isSettled: boolean;
  readonly createdAt: Date;
}

/** More orders than a demonstration makes; the oldest are forgotten. */
const MAX_ORDERS = 1000;
const BANK = { kind: 'bank', id: 'payments' } as const;

/**
 * The payments of the bank. The order is read from the consent, which the customer approved, never from a request; the
 * consent is consumed before money moves, and of many callers one consumes it.
 */
export class PaymentOrders {
  readonly #parts: {
    readonly consents: Pick<Consents, 'consume'>;
    readonly ledger: Ledger;
    readonly clock: Clock;
  };
  readonly #orders = new LRUCache<string, PaymentOrder>({ max: MAX_ORDERS });

  constructor(parts: {
    readonly consents: Pick<Consents, 'consume'>;
    readonly ledger: Ledger;
    readonly clock: Clock;
  }) {
    this.#parts = parts;
  }

  /** Carries out the payment of an authorised consent: undefined when the consent was used, or has ended. */
  async execute(consent: Consent): Promise<PaymentOrder | undefined> {
    const { consentId, clientId, authorizationNumber } = consent;
    const { consents, ledger, clock } = this.#parts;
    const transfer = transferOf(consent);
    if (transfer === undefined) return undefined;
    if (!(await consents.consume(consentId, { by: BANK }))) return undefined;
    const order: PaymentOrder = {
      ...{ paymentId: randomUUID(), consentId, clientId, authorizationNumber },
      isSettled: ledger.transfer(transfer),
      createdAt: clock.now(),
    };
    this.#orders.set(order.paymentId, order);
    return order;
  }

  find(paymentId: string): PaymentOrder | undefined {
    return this.#orders.get(paymentId);
  }

  findByConsent(consentId: string): PaymentOrder | undefined {
    return [...this.#orders.values()].find((order) => order.consentId === consentId);
  }

  /** Whether the account that the customer chose has the amount of the consent. */
  hasFunds(consent: Consent): boolean {
    const transfer = transferOf(consent);
    return transfer !== undefined && this.#parts.ledger.hasFunds(transfer.debtorAccountId, transfer.amount);
  }
}

/** The money and its way, as the customer approved them; undefined for a consent that is not of one payment. */
function transferOf(consent: Consent) {
  const payment = paymentOf(consent);
  const [debtorAccountId, another] = consent.accountIds;
  const amount = moneyOf(payment?.instructedAmount);
  if (payment === undefined || debtorAccountId === undefined || another !== undefined) return undefined;
  if (amount === undefined || typeof payment.creditorName !== 'string') return undefined;
  return {
    ...{ debtorAccountId, amount, creditorName: payment.creditorName },
    creditorIban: accountNumberOf(payment.creditorAccount),
    reference: referenceOf(payment),
  };
}

function moneyOf(value: unknown): Money | undefined {
  if (typeof value !== 'object' || value === null || !('amount' in value) || !('currency' in value)) {
    return undefined;
  }
  const { amount, currency } = value;
  const isMoney = typeof amount === 'string' && typeof currency === 'string' && isAmount(amount);
  return isMoney ? { amount, currency } : undefined;
}

function referenceOf({ remittanceInformationUnstructured: reference }: AuthorizationDetail) {
  return typeof reference === 'string' ? reference : undefined;
}
