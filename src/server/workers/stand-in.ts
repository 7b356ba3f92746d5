import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { connectionLimitOptions } from '../../configuration/connection-schema.ts';
import { ruleOf } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { createConnectionLimits } from '../../mutual-tls/limits/connection-limits.ts';
import { createListener } from '../../mutual-tls/listeners.ts';
import { reloadFiles } from '../file-reload.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { ListenerCertificates } from '../own-certificate/listener-certificates.ts';
import type { WorkerServer } from './serve-as-worker.ts';

const PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Please try again</title>
<body style="font: 1rem/1.5 system-ui; margin: 10vh auto; max-width: 30rem; padding: 0 1rem">
<h1>This page is not available at the moment</h1>
<p>Please try again in a minute. If you were giving access to an app, start again from that app.</p>
</body></html>
`;

interface StandIn extends WorkerServer {
  reload(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Listeners that answer 503 while no worker serves. Only the TLS files are read, so that they work when anything else
 * is missing.
 *
 * @throws ERR_CONFIG_INVALID
 */
export async function openStandIn(
  config: Config,
  { metrics, log }: { readonly metrics: Metrics; readonly log: Log },
): Promise<StandIn> {
  const tls = await ListenerCertificates.open({ ...config.tls, place: 'tls', clock: systemClock, log });
  const connections = createConnectionLimits({ log, ...connectionLimitOptions(config) });
  const listen = { ...tls.current, requestClientCertificate: false, connections, log };
  const front = createListener({ name: 'front', ...listen });
  const mtls = createListener({ name: 'mtls', ...listen });
  const bank = config.bankApi === undefined ? undefined : createListener({ name: 'bank', ...listen });
  const all = [front, mtls, ...(bank === undefined ? [] : [bank])];
  tls.follow((pair) => {
    for (const listener of all) listener.replaceCertificate(pair);
  });
  if (config.bankApi !== undefined) bank?.serve(new URL(config.bankApi.url), refuse);
  front.serve(new URL(config.issuer), refuse);
  mtls.serve(new URL(config.mtlsUrl), refuse);
  return {
    front,
    mtls,
    bank,
    metrics,
    health: async () => [],
    reload: () => reloadFiles(log),
    drain: () => {
      for (const listener of all) listener.drain();
    },
    stop: async () => {
      await Promise.all(all.map((listener) => listener.close(config.shutdown.drainSeconds)));
      await tls.close();
    },
  };
}

function refuse(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const isForPerson = request.method === 'GET' && request.headers.accept?.includes('text/html') === true;
  const error_description = `ERR_SERVER_NOT_READY: ${ruleOf('ERR_SERVER_NOT_READY')}`;
  response.writeHead(503, {
    'content-type': isForPerson ? 'text/html; charset=utf-8' : 'application/json',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    'cache-control': 'no-store',
    'retry-after': '5',
    connection: 'close',
  });
  response.end(isForPerson ? PAGE : JSON.stringify({ error: 'temporarily_unavailable', error_description }));
}
