import type { Clock, Consents, Log, TppAuthenticator } from '../../../index.ts';
import type { Protection } from '../../../resource-server/index.ts';
import type { Ledger } from '../ledger.ts';
import type { PaymentOrders } from './payment-orders.ts';

/** The parts of the bank that its APIs share. */
export interface BankParts {
  readonly protection: Protection;
  /** Intents and consents, as the bank's core has them. */
  readonly consents: Pick<Consents, 'find' | 'create' | 'revoke'>;
  /** Proves the TPP of a certificate, for APIs that ask for no token. */
  readonly authenticator: TppAuthenticator;
  readonly ledger: Ledger;
  readonly orders: PaymentOrders;
  readonly clock: Clock;
  /** Origin of the APIs. */
  readonly origin: string;
  /** Where TPPs find the authorization server. */
  readonly metadataUrl: string;
  readonly log: Log;
}
