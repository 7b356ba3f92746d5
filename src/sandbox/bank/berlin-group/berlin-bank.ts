import type Router from '@koa/router';
import type { Middleware } from 'koa';
import { refusalsBelow } from '../api/api-refusal.ts';
import type { BankParts } from '../api/bank-parts.ts';
import { berlinAccounts } from './accounts.ts';
import type { AuthorisedPayments } from './authorised-payments.ts';
import { BERLIN_BASE, BerlinCalls } from './berlin-calls.ts';
import { berlinErrorBody } from './berlin-refusals.ts';
import { berlinConsents } from './consents.ts';
import { berlinPayments } from './payments.ts';
import { UnattendedAccess } from './unattended-access.ts';

/** A part of NextGenPSD2 1.3 with the OAuth approach: consents, accounts and SEPA credit transfers. */
export function berlinBank(router: Router, parts: BankParts, authorised: AuthorisedPayments): Middleware {
  const calls = new BerlinCalls(parts);
  berlinConsents(router, parts, calls);
  berlinAccounts(router, parts, { calls, unattended: new UnattendedAccess(parts.clock) });
  berlinPayments(router, parts, { calls, authorised });
  return refusalsBelow(BERLIN_BASE, { form: berlinErrorBody, log: parts.log });
}
