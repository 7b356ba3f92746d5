import type { Aspsp } from '../bank/aspsp.ts';

/** The bank where its application asks the customer: no page of ours calls it. */
export function bankAppAspsp(name: string): Aspsp {
  const refuse = () => Promise.reject(new TypeError('the application of the bank asks the customer'));
  return Object.freeze({ name, answerAuthentication: refuse, listAccounts: refuse });
}
