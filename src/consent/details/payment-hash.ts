import { canonicalHash } from './canonical-hash.ts';

/** A payment in the form of a consent: `payment_initiation` of RFC 9396. */
export type PaymentDetail = Readonly<Record<string, unknown>>;

/** Members that hold who may do what with a payment, and nothing about the payment. */
const OF_ACCESS: readonly string[] = ['actions', 'locations'];
const DEFAULTS = { type: 'payment_initiation', kind: 'single' };

/**
 * The hash of a payment, which is one of `paymentHashes` of a consent exactly when the customer approved this payment:
 * the SHA-256 of its JSON by RFC 8785, in base64url, without `actions` and `locations`. `type` and `kind` may be absent.
 *
 * @see RTS on strong customer authentication, article 5
 */
export function paymentHashOf(detail: PaymentDetail): string {
  const members = Object.entries(detail).filter(([name]) => !OF_ACCESS.includes(name));
  return canonicalHash({ ...DEFAULTS, ...Object.fromEntries(members) });
}
