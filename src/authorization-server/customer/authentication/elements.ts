/**
 * The categories of RTS article 4(1). `user-verification` is what an authenticator has verified itself, by PIN (knowledge) or
 * by finger or face (inherence), without a word on which of them.
 */
export type ElementKind = 'knowledge' | 'possession' | 'inherence' | 'user-verification';

/** The category of each method of RFC 8176 that is an element; other methods are none. */
const KINDS: Readonly<Record<string, ElementKind>> = {
  pwd: 'knowledge',
  pin: 'knowledge',
  kba: 'knowledge',
  otp: 'possession',
  sms: 'possession',
  tel: 'possession',
  mca: 'possession',
  hwk: 'possession',
  swk: 'possession',
  sc: 'possession',
  face: 'inherence',
  fpt: 'inherence',
  iris: 'inherence',
  retina: 'inherence',
  vbm: 'inherence',
};

/** The categories of methods that a bank names. */
export function kindsOf(amr: readonly string[]): readonly ElementKind[] {
  return [...new Set(amr.flatMap((method) => KINDS[method] ?? []))];
}

/** Whether two elements are of different categories (RTS article 4(1)). */
export function isStrong(kinds: readonly ElementKind[]): boolean {
  return new Set(kinds).size >= 2;
}
