import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../clock.ts';
import type { Config } from '../configuration/config.ts';
import { serverCertificateGauges } from './metrics/server-gauges.ts';
import { type OpenedLog, openLog } from './log/opened-log.ts';
import { HealthServer, readinessOf } from './health.ts';
import { ManagementEdge } from './management/management-edge.ts';
import { type OpenedManagementListener, openManagementListener } from './management/management-listener.ts';
import { type BoundAddress, probeListener } from './listener-probe.ts';
export type { RunningServer, ServerParts } from './running-server.ts';
import { openServer } from './opened-server.ts';
import type { OpenedServer, RunningServer, ServerParts } from './running-server.ts';

/**
 * Opens a server, serves its health, and listens. `given` has the log of a caller who reports to it too.
 *
 * @throws ERR_CONFIG_INVALID, ERR_REGISTRY_INVALID, ERR_STORAGE_UNAVAILABLE
 */
export async function startServer(
  config: Config,
  parts: ServerParts,
  given?: OpenedLog,
): Promise<RunningServer> {
  const { listen, shutdown, bankApi } = config;
  let server: OpenedServer | undefined;
  const opened = given ?? (await openLog(config, parts));
  const { metrics, log, audit } = opened;
  const clock = parts.clock ?? systemClock;
  const edge = new ManagementEdge({ endpoint: () => server?.manage, metrics: () => metrics.text(), log });
  const health = new HealthServer(async () => {
    const probe = async (name: string, address: BoundAddress) => ({
      name,
      problem: await probeListener(address),
    });
    const own = [probe('front', { host, port: ports.front }), probe('mtls', { host, port: ports.mtls })];
    const all =
      bankApi === undefined ? own : [...own, probe('bank', { ...bankApi.listen, port: ports.bank })];
    return readinessOf(await Promise.all(all), (await server?.health()) ?? []);
  }, edge.answerLoopback);
  const ports = { front: listen.front, mtls: listen.mtls, bank: 0 };
  const { host } = listen;
  await health.listen(listen.health);
  let management: OpenedManagementListener | undefined;
  try {
    server = await openServer(config, parts, opened);
    ports.front = await server.front.listen(listen.front, host);
    ports.mtls = await server.mtls.listen(listen.mtls, host);
    if (bankApi !== undefined && server.bank !== undefined) {
      ports.bank = await server.bank.listen(bankApi.listen.port, bankApi.listen.host);
    }
    management = await openManagementListener(config, { edge, health, clock, log });
    const certificates = { 'management.tls': management?.tls };
    metrics.follow(() => serverCertificateGauges({ certificates }));
  } catch (error) {
    await Promise.all([health.close(), server === undefined ? audit?.close() : server.stop()]);
    throw error;
  }
  server.started();
  health.started();
  const { running, reload, change, drain, stop } = server;
  let closing: Promise<void> | undefined;
  const close = async () => {
    health.stopping();
    drain();
    // A load balancer sends its new connections elsewhere before this server stops to accept them.
    await sleep(shutdown.noticeSeconds * 1000);
    await management?.close();
    await stop();
    await health.close();
    if (given === undefined) metrics.close();
  };
  return {
    ...running,
    reload,
    change,
    isReady: async () => closing === undefined && (await running.isReady()),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
