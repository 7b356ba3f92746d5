import { OpenBankingError } from '../../errors.ts';
import type { ConsentInformation } from '../consent/consent-information.ts';
import { type PaymentDetail, paymentHashOf } from '../../consent/details/payment-hash.ts';
import { accountIn, namesAccount, patternOf } from './path-pattern.ts';

type Awaitable<T> = T | Promise<T>;

/**
 * The part of a request that the customer's consent must cover. `{}` asks for a consent that has not ended, and for
 * nothing more. `Source` is the request of the framework.
 */
export interface Covers<Source = unknown> {
  /**
   * The account, or the accounts, of the request, by the bank's own identifiers: a pattern of the path
   * (`/accounts/{account}/**`) or a function. A request that names none is refused.
   */
  readonly account?:
    | string
    | ((request: Source) => Awaitable<string | readonly string[] | undefined>)
    | undefined;
  /**
   * Permissions or actions that the consent must have, each of them; of a list within the list, one is enough:
   * `['ReadBalances', ['ReadTransactionsBasic', 'ReadTransactionsDetail']]`.
   */
  readonly permissions?: readonly (string | readonly string[])[] | undefined;
  /**
   * The payment of the request, which must be one that the customer approved: `body` for a body that is a
   * `payment_initiation` in JSON, or a function that makes one from the body.
   */
  readonly payment?:
    | 'body'
    | ((request: Source, body: Buffer) => Awaitable<PaymentDetail | undefined>)
    | undefined;
  /** Largest body of a request with `payment`. Default 64 KiB. */
  readonly maxBodyBytes?: number | undefined;
}

/** A request whose coverage is in question. */
export interface CoveredRequest<Source> {
  readonly source: Source;
  readonly url: string;
  /** Empty for a request whose payment is not asked for. */
  readonly body: Buffer;
}

export const MAX_BODY_BYTES = 64 * 1024;
/** The compiled patterns of `account`. */
const patterns = new WeakMap<object, RegExp>();

/**
 * Checks that a consent covers what a request is about.
 *
 * @throws ERR_CONSENT_ACCOUNT, ERR_CONSENT_PERMISSION, ERR_CONSENT_PAYMENT
 */
export async function verifyCoverage<Source>(
  covers: Covers<Source>,
  consent: ConsentInformation,
  request: CoveredRequest<Source>,
): Promise<void> {
  const { account, permissions, payment } = covers;
  if (account !== undefined) verifyAccounts(await accountsOf(covers, request), consent);
  if (permissions !== undefined) verifyPermissions(permissions, consent);
  if (payment !== undefined) await verifyPayment(payment, consent, request);
}

async function accountsOf<Source>(
  covers: Covers<Source>,
  { source, url }: CoveredRequest<Source>,
): Promise<readonly string[]> {
  const { account } = covers;
  const found =
    typeof account === 'function' ? await account(source) : accountIn(patternOfAccount(covers), url);
  return typeof found === 'string' ? [found] : (found ?? []);
}

/** PSD2 article 67(2)(d): only the accounts that the customer has designated. */
function verifyAccounts(
  accountIds: readonly string[],
  { consentId, accountIds: chosen }: ConsentInformation,
): void {
  const [first] = accountIds;
  if (first === undefined) {
    throw new OpenBankingError('ERR_CONSENT_ACCOUNT', { consentId, problem: 'the request names no account' });
  }
  const foreign = accountIds.find((one) => !chosen.includes(one));
  if (foreign === undefined) return;
  throw new OpenBankingError('ERR_CONSENT_ACCOUNT', { consentId, problem: 'it was not chosen' });
}

function verifyPermissions(
  permissions: NonNullable<Covers['permissions']>,
  { consentId, permissions: codes, actions }: ConsentInformation,
): void {
  const isHeld = (one: string) => codes.includes(one) || actions.includes(one);
  for (const permission of permissions) {
    const alternatives = typeof permission === 'string' ? [permission] : permission;
    if (alternatives.some(isHeld)) continue;
    throw new OpenBankingError('ERR_CONSENT_PERMISSION', { consentId, needed: alternatives.join(' or ') });
  }
}

async function verifyPayment<Source>(
  payment: NonNullable<Covers<Source>['payment']>,
  { consentId, paymentHashes }: ConsentInformation,
  { source, body }: CoveredRequest<Source>,
): Promise<void> {
  const detail = payment === 'body' ? paymentIn(body) : await payment(source, body);
  if (detail === undefined) {
    throw new OpenBankingError('ERR_CONSENT_PAYMENT', { consentId, problem: 'the request has no payment' });
  }
  if (paymentHashes.includes(paymentHashOf(detail))) return;
  throw new OpenBankingError('ERR_CONSENT_PAYMENT', {
    consentId,
    problem: 'amount, payee or another part differs',
  });
}

function paymentIn(body: Buffer): PaymentDetail | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function patternOfAccount(covers: Covers<never>): RegExp {
  const known = patterns.get(covers);
  if (known !== undefined) return known;
  const made = patternOf(String(covers.account));
  patterns.set(covers, made);
  return made;
}

/** @throws TypeError for a requirement that cannot work, or that would cover nothing by mistake */
export function assertCovers(covers: Covers<never>): void {
  const { account, permissions, payment, maxBodyBytes = MAX_BODY_BYTES, ...others } = covers;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new TypeError(`covers knows no ${unknown}`);
  if (typeof account === 'string' && !namesAccount(account)) {
    throw new TypeError('covers.account must have a segment {account}, or be a function');
  }
  if (typeof account === 'string') patternOfAccount(covers);
  else if (account !== undefined && typeof account !== 'function') {
    throw new TypeError('covers.account must be a path or a function');
  }
  if (permissions !== undefined && !isPermissions(permissions)) {
    throw new TypeError('covers.permissions must be a list of codes, or of lists of codes');
  }
  if (payment !== undefined && payment !== 'body' && typeof payment !== 'function') {
    throw new TypeError("covers.payment must be 'body' or a function");
  }
  if (!Number.isSafeInteger(maxBodyBytes) || maxBodyBytes < 0) {
    throw new TypeError('covers.maxBodyBytes must be a number of bytes');
  }
}

function isPermissions(value: unknown): boolean {
  const isCodes = (one: unknown): boolean =>
    Array.isArray(one) && one.length > 0 && one.every((code) => typeof code === 'string');
  return (
    Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string' || isCodes(one))
  );
}
