import type { Aspsp } from '../authorization-server/customer/bank/aspsp.ts';
import type { Approvals } from '../authorization-server/customer/bank/decoupled-approval.ts';
import type { Confirmations } from '../authorization-server/customer/bank/strong-authentication.ts';
import type { RegisteredClients } from '../authorization-server/clients/clients.ts';
import type { Clock } from '../clock.ts';
import type { Consents } from '../consent/consents.ts';
import type { Log } from '../events.ts';
import type { OpenList } from '../files/followed-list.ts';
import type { ManagementEndpoint } from '../management/managed-request.ts';
import type { Listener } from '../mutual-tls/listeners.ts';
import type { LiveSettings } from './reload/live-settings.ts';
import type { Store } from '../storage/store.ts';
import type { TppRegistry } from '../../tpp-registry/index.ts';
import type { TppAuthenticator } from '../tpp/authenticate.ts';
import type { BlockList } from '../tpp/block-list/block-list.ts';
import type { HealthPart } from './health.ts';
import type { Metrics } from './metrics/metrics.ts';

export interface ServerParts {
  /** Absent: the application of the bank (`bankApp`) asks customers. */
  readonly aspsp?: Aspsp | undefined;
  readonly log?: Log;
  readonly clock?: Clock;
  /** Used instead of the store that the configuration names, and closed with the server. */
  readonly store?: Store;
  /** How registry, block list and clients are opened. Default: this process reads them. */
  readonly openList?: OpenList;
}

/** A running authorization server. */
export interface RunningServer {
  readonly issuer: string;
  readonly mtlsUrl: string;
  /**
   * The consents of customers, for the bank's own APIs: access tokens carry `consent_id`. Access tokens of a
   * revoked consent end within seconds at the APIs.
   */
  readonly consents: Consents;
  /** The answers of customers who were asked on a device; undefined where CIBA is off. */
  readonly approvals: Approvals | undefined;
  /** The answers of customers in the bank's app, as an element of their authentication; undefined where `sca` is off. */
  readonly confirmations: Confirmations | undefined;
  readonly registry: TppRegistry;
  readonly blockList: BlockList;
  /** The registered clients, of the files and of the store. */
  readonly clients: RegisteredClients;
  /** The same decision about a TPP certificate that the token endpoint makes. */
  readonly authenticator: TppAuthenticator;
  /** Whether requests can be served now: not stopping, and the store reads and writes. */
  isReady(): Promise<boolean>;
  /** Takes changed settings of the configuration into use: the log level, and the limits of clients and connections. */
  change(settings: LiveSettings): void;
  /** Checks every followed file of this process now, and logs the outcome. */
  reload(): Promise<void>;
  /** Not ready, keep serving for a notice, drain, close everything. Calling it again is no error. */
  close(): Promise<void>;
}

/** A server without ports: its listeners can listen, or be handed connections. */
export interface OpenedServer {
  readonly running: Omit<RunningServer, 'reload' | 'change' | 'close'>;
  readonly front: Listener;
  readonly mtls: Listener;
  /** Of the bank API, where the configuration has one. */
  readonly bank: Listener | undefined;
  readonly metrics: Metrics;
  /** The management API and the console. */
  readonly manage: ManagementEndpoint;
  /** Logs that requests are accepted. */
  started(): void;
  /** The parts that the health depends on, without the listeners. */
  health(): Promise<readonly HealthPart[]>;
  /** Takes changed settings of the configuration into use. */
  change(settings: LiveSettings): void;
  /** Checks every followed file of this process now, and logs the outcome. */
  reload(): Promise<void>;
  /** From now on every answer ends its connection. */
  drain(): void;
  /** Lets requests in flight end, and closes everything. */
  stop(): Promise<void>;
}
