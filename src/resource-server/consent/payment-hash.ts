import { createHash } from 'node:crypto';

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
  const payment = { ...DEFAULTS, ...Object.fromEntries(members) };
  return createHash('sha256').update(canonicalJson(payment)).digest('base64url');
}

/** JSON with sorted members and without spaces (RFC 8785): numbers and texts follow the rules of ECMAScript. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  const sorted = members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
}
