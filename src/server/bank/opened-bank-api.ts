import type { AuditGate } from '../../audit/audit-gate.ts';
import type { AuthorizationServer } from '../../authorization-server/authorization-server.ts';
import { approvalOperations } from '../../authorization-server/bank-api/operations/approval-operations.ts';
import { BankApi } from '../../authorization-server/bank-api/bank-api.ts';
import { confirmationOperations } from '../../authorization-server/bank-api/operations/confirmation-operations.ts';
import { consentOperations } from '../../authorization-server/bank-api/operations/consent-operations.ts';
import type { Operation } from '../../authorization-server/bank-api/contract.ts';
import { Creations } from '../../authorization-server/bank-api/operations/creations.ts';
import { eventOperations } from '../../authorization-server/bank-api/operations/event-operations.ts';
import { interactionOperations } from '../../authorization-server/bank-api/operations/interaction-operations.ts';
import { WebhookDelivery } from '../../authorization-server/bank-api/webhooks/webhook-delivery.ts';
import { WebhookPlace } from '../../authorization-server/bank-api/webhooks/webhook-place.ts';
import { Webhook } from '../../authorization-server/bank-api/webhooks/webhook.ts';
import type { Clients } from '../../authorization-server/clients/clients.ts';
import type { Signer } from '../../authorization-server/signing/signer.ts';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { readRequired } from '../../configuration/configured-files.ts';
import { bankCallers } from '../../configuration/consents/bank-api-schema.ts';
import { openDetailTypes } from '../../configuration/consents/detail-type-schema.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import type { ConsentUses } from '../../consent/consent-uses.ts';
import type { Consents } from '../../consent/consents.ts';
import type { Log } from '../../events.ts';
import type { ConnectionLimits } from '../../mutual-tls/limits/connection-limits.ts';
import { createListener, type Listener } from '../../mutual-tls/listeners.ts';
import { Outbound } from '../../remote/outbound.ts';
import type { Store } from '../../storage/store.ts';
import { openTrustFile } from '../../tpp/trust-files.ts';
import { parseAnchor } from '../../x509/certificate/certificate.ts';
import { measuredRequests } from '../metrics/measured-requests.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { ListenerCertificates } from '../own-certificate/listener-certificates.ts';

interface BankApiParts {
  readonly endpoints: Pick<
    AuthorizationServer,
    'approvals' | 'confirmations' | 'bankInteractions' | 'languages'
  >;
  readonly opened: {
    readonly clients: Pick<Clients, 'find'>;
    readonly signer: Signer;
    readonly store: Store;
    readonly secret: Buffer;
  };
  readonly consents: Consents;
  readonly consentUses: ConsentUses;
  readonly connections: ConnectionLimits;
  readonly audit: AuditGate | undefined;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

const WEBHOOK_SECONDS = 5;
const MAX_WEBHOOK_ANSWER_BYTES = 16_384;

/** The bank API of a server. */
export interface OpenedBankApi {
  readonly listener: Listener;
  readonly tls: ListenerCertificates;
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
  const { connections, clock, log } = parts;
  const [tls, anchors] = await Promise.all([
    ListenerCertificates.open({ ...(bankApi.tls ?? config.tls), place: 'bankApi.tls', clock, log }),
    openTrustFile({ file: bankApi.anchorsFile, path: 'bankApi.anchorsFile', parse: parseAnchor, log }),
  ]);
  const api = new BankApi({
    callers: bankCallers(bankApi, anchors),
    operations: operationsOf(config, parts),
    audit: parts.audit,
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
  const webhooks = await openWebhooks(config, bankApi.webhooks, parts);
  tls.follow((pair) => listener.replaceCertificate(pair));
  const bank = { listener: 'bank', routeName: (path: string) => api.routeName(path) };
  listener.serve(new URL(bankApi.url), measuredRequests(api.handler, bank, parts.metrics));
  return {
    listener,
    tls,
    stop: async (drainSeconds) => {
      api.close();
      await listener.close(drainSeconds);
      await Promise.all([tls, anchors, ...webhooks].map((part) => part.close()));
    },
  };
}

function operationsOf(config: Config, parts: BankApiParts): readonly Operation[] {
  const { endpoints, consents, consentUses, clock } = parts;
  const { clients, store, secret } = parts.opened;
  const detailTypes = openDetailTypes(config);
  const { languages } = endpoints;
  const creations = new Creations({ store, consents, clock, secret });
  return [
    ...consentOperations({ consents, consentUses, creations, clients, detailTypes, languages, clock }),
    ...eventOperations({ consents }),
    ...interactionOperations({ interactions: endpoints.bankInteractions, languages }),
    ...approvalOperations(endpoints.approvals),
    ...confirmationOperations(endpoints.confirmations),
  ];
}

type WebhookEntries = NonNullable<Config['bankApi']>['webhooks'];

function openWebhooks(
  config: Config,
  entries: WebhookEntries,
  parts: BankApiParts,
): Promise<readonly { close(): Promise<void> }[]> {
  const { consents, clock, log } = parts;
  const { signer, store, secret } = parts.opened;
  return Promise.all(
    entries.map(async ({ url, caFile, allowPrivateAddress }, at) => {
      const outbound = new Outbound({
        timeoutSeconds: WEBHOOK_SECONDS,
        maxBytes: MAX_WEBHOOK_ANSWER_BYTES,
        allowPrivateAddresses: allowPrivateAddress,
        passesTrace: true,
        caPem:
          caFile === undefined ? undefined : await readRequired(caFile, `bankApi.webhooks[${at}].caFile`),
        proxy: proxyOf(config.outbound),
      });
      const webhook = new Webhook({ url, issuer: config.issuer, signer, outbound, clock });
      const place = new WebhookPlace({ url, store, clock, secret });
      const delivery = new WebhookDelivery({ webhook, place, consents, log });
      return {
        close: async () => {
          await delivery.close();
          await outbound.close();
        },
      };
    }),
  );
}
