import { approvalOperations } from '../authorization-server/bank-api/approval-operations.ts';
import { BankApi } from '../authorization-server/bank-api/bank-api.ts';
import type { Approvals } from '../authorization-server/customer/bank/decoupled-approval.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../configuration/config.ts';
import { bankCallers } from '../configuration/consents/bank-api-schema.ts';
import type { Log } from '../events.ts';
import type { ConnectionLimits } from '../mutual-tls/limits/connection-limits.ts';
import { createListener, type Listener } from '../mutual-tls/listeners.ts';
import { openTrustFile } from '../tpp/trust-files.ts';
import { parseAnchor } from '../x509/certificate/certificate.ts';
import { FollowedKeyPair } from './followed-key-pair.ts';

interface BankApiParts {
  readonly approvals: Approvals | undefined;
  readonly connections: ConnectionLimits;
  readonly clock: Clock;
  readonly log: Log;
}

/** The bank API of a server. */
export interface OpenedBankApi {
  readonly listener: Listener;
  /** Lets requests in flight end, and closes. */
  stop(drainSeconds: number): Promise<void>;
}

/**
 * Opens the bank API; undefined where the configuration has none.
 *
 * @throws ERR_CONFIG_INVALID
 */
export async function openBankApi(config: Config, parts: BankApiParts): Promise<OpenedBankApi | undefined> {
  const { bankApi } = config;
  if (bankApi === undefined) return undefined;
  const { approvals, connections, clock, log } = parts;
  const [tls, anchors] = await Promise.all([
    FollowedKeyPair.open({ ...(bankApi.tls ?? config.tls), place: 'bankApi.tls', clock, log }),
    openTrustFile({ file: bankApi.anchorsFile, path: 'bankApi.anchorsFile', parse: parseAnchor, log }),
  ]);
  const api = new BankApi({
    callers: bankCallers(bankApi, anchors),
    operations: approvalOperations(approvals),
    clock,
    log,
  });
  const listener = createListener({
    ...tls.current,
    name: 'bank',
    requestClientCertificate: true,
    keepAliveSeconds: config.connections.keepAliveSeconds,
    connections,
    log,
  });
  tls.follow((pair) => listener.replaceCertificate(pair));
  listener.serve(new URL(bankApi.url), api.handler);
  return {
    listener,
    stop: async (drainSeconds) => {
      api.close();
      await listener.close(drainSeconds);
      await Promise.all([tls.close(), anchors.close()]);
    },
  };
}
