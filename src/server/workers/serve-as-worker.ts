import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Config } from '../../configuration/config.ts';
import type { ManagementEndpoint } from '../../management/managed-request.ts';
import type { Listener } from '../../mutual-tls/listeners.ts';
import type { HealthPart } from '../health.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { LiveSettings } from '../reload/live-settings.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

/** The parts of a server that the process that owns the ports asks for. */
export interface WorkerServer {
  readonly front: Listener;
  readonly mtls: Listener;
  readonly bank?: Listener | undefined;
  readonly metrics: Metrics;
  health(): Promise<readonly HealthPart[]>;
  /** The management API; absent in a stand-in. */
  readonly manage?: ManagementEndpoint | undefined;
  drain(): void;
  /** Absent where no setting counts. */
  change?(settings: LiveSettings): void;
}

/** The configuration that the parent process sends first: that of all processes, whatever the file holds by now. */
export async function receivedConfig(): Promise<Config> {
  const [message]: unknown[] = await once(process, 'message');
  return (message as { readonly configuration: Config }).configuration;
}

/**
 * Serves the connections that the parent process accepts, and answers the parent's questions. Resolves when the parent
 * wants this process to stop, or is gone. SIGTERM and SIGINT are left to the parent: a signal may reach all processes.
 */
export async function serveAsWorker(server: WorkerServer): Promise<void> {
  const send = (message: FromWorker) => void (process.connected && process.send?.(message));
  const onMessage = (message: Exclude<ToWorker, 'stop'>, connection: Socket | undefined): void => {
    if (message === 'ping') send('pong');
    else if (message === 'drain') server.drain();
    else if ('settings' in message) server.change?.(message.settings);
    else if ('healthOf' in message) {
      const { healthOf } = message;
      void server.health().then((parts) => send({ healthOf, parts }));
    } else if ('metricsOf' in message) {
      const { metricsOf } = message;
      void server.metrics.json().then((metrics) => send({ metricsOf, metrics }));
    } else if ('manage' in message) {
      const { id, request } = message.manage;
      const answered = server.manage?.(request).catch(() => undefined);
      void Promise.resolve(answered).then((answer) => send({ managed: { id, answer } }));
    } else if ('connection' in message) {
      // First: a connection that ended this process would otherwise be handed to the next worker.
      send('accepted');
      const listener = server[message.connection];
      if (listener === undefined) connection?.destroy();
      else if (connection !== undefined) listener.accept(connection);
    }
  };
  const stopped = new Promise<void>((resolve) => {
    process.once('disconnect', resolve);
    process.on('message', (message: ToWorker, connection?: Socket) => {
      if (message === 'stop') resolve();
      else onMessage(message, connection);
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => send('signalled'));
  });
  send('ready');
  await stopped;
}

/** Sends the counts that came after the last question. Called last before the process ends. */
export async function sendLastMetrics({ metrics }: Pick<WorkerServer, 'metrics'>): Promise<void> {
  const message: FromWorker = { metricsOf: 0, metrics: await metrics.json() };
  await new Promise<void>((resolve) => {
    if (process.connected) process.send?.(message, () => resolve());
    else resolve();
  });
}
