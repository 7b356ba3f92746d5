import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { managementCallers } from '../../configuration/management/management-schema.ts';
import type { Log } from '../../events.ts';
import { ManagementCallers } from '../../management/operators/management-callers.ts';
import { createListener } from '../../mutual-tls/listeners.ts';
import { openTrustFile } from '../../tpp/trust-files.ts';
import { parseAnchor } from '../../x509/certificate/certificate.ts';
import type { HealthServer } from '../health.ts';
import { asksForMetrics, type ManagementEdge } from './management-edge.ts';
import { ListenerCertificates } from '../own-certificate/listener-certificates.ts';

export interface ManagementListenerParts {
  readonly edge: ManagementEdge;
  readonly health: HealthServer;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenedManagementListener {
  readonly tls: ListenerCertificates;
  close(): Promise<void>;
}

const DRAIN_SECONDS = 2;

/**
 * Opens the listener with certificates, and binds its port; undefined where the configuration has none.
 *
 * @throws ERR_CONFIG_INVALID
 */
export async function openManagementListener(
  config: Pick<Config, 'management' | 'tls'>,
  { edge, health, clock, log }: ManagementListenerParts,
): Promise<OpenedManagementListener | undefined> {
  const { management } = config;
  if (management === undefined) return undefined;
  const [tls, anchors] = await Promise.all([
    ListenerCertificates.open({ ...(management.tls ?? config.tls), place: 'management.tls', clock, log }),
    openTrustFile({ file: management.anchorsFile, path: 'management.anchorsFile', parse: parseAnchor, log }),
  ]);
  const callers = new ManagementCallers({ callers: managementCallers(management, anchors), anchors, clock });
  const listener = createListener({
    ...tls.current,
    name: 'management',
    requestClientCertificate: true,
    log,
  });
  tls.follow((pair) => listener.replaceCertificate(pair));
  const { url } = management;
  const answer = edge.answersTls({ callers, url: new URL(url).origin, health });
  listener.serve(new URL(url), answer, asksForMetrics);
  await listener.listen(management.listen.port, management.listen.host);
  return {
    tls,
    close: async () => {
      await listener.close(DRAIN_SECONDS);
      await Promise.all([tls, anchors].map((part) => part.close()));
    },
  };
}
