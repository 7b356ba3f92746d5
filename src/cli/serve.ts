import { fork } from 'node:child_process';
import { Command, Option } from 'commander';
import type { Config, Log } from '../index.ts';
import { liveSettings, ReloadedConfig } from '../server/reload/live-settings.ts';
import type { ToWorker, WorkerRole } from '../server/workers/worker-messages.ts';
import { loadAspsp } from './aspsp-module.ts';
import { readConfig, settingOption } from './environment.ts';
import { endWithin, refuseUnsafeEnvironment, reloadOnSignal, stopOnSignal } from './process.ts';

/** For closing stores and files after the last connection. */
const STOP_MARGIN_SECONDS = 3;
/** For workers, which are stopped by this process and killed after the margin, and for the record of this process. */
const WATCH_MARGIN_SECONDS = 3 * STOP_MARGIN_SECONDS;

interface Flags {
  readonly config: string;
  readonly set: readonly string[];
  readonly as?: WorkerRole;
}

/** Where the configuration comes from, and how it is read again. */
interface ConfigSource {
  readonly source: string;
  readonly read: () => Promise<Config>;
}

/** `tallystick serve`: the authorization server of a bank. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('start the authorization server')
    .requiredOption('--config <file>', 'the configuration, YAML or JSON')
    .addOption(settingOption())
    .addOption(
      new Option('--as <role>', 'for processes that this command starts')
        .choices(['worker', 'stand-in'])
        .hideHelp(),
    )
    .action(async (flags: Flags) => {
      refuseUnsafeEnvironment();
      if (flags.as !== undefined) {
        await serveAs(flags.as, flags.config);
        return;
      }
      const read = () => readConfig(flags.config, flags.set);
      const config = await read();
      const from = { source: flags.config, read };
      if (config.workers > 1) await watchWorkers(config, from);
      else await serve(config, from);
    });
}

async function serve(config: Config, { source, read }: ConfigSource): Promise<void> {
  const [{ startServer }, { openLog }] = await Promise.all([
    import('../server/server.ts'),
    import('../server/log/opened-log.ts'),
  ]);
  const aspsp = await loadAspsp(config, { source });
  const opened = await openLog(config, {});
  const server = await startServer(config, { aspsp }, opened);
  const reloaded = new ReloadedConfig(config, { file: source, read, of: 'server' });
  reloadOnSignal(async () => {
    await reloaded.reload(opened.log, (next) => server.change(liveSettings(next)));
    await server.reload();
  });
  await stopOnSignal(() => server.close(), { withinSeconds: stopSeconds(config) + STOP_MARGIN_SECONDS });
}

/** A process that `watchWorkers` has started. */
async function serveAs(role: WorkerRole, source: string): Promise<void> {
  const { receivedConfig, sendLastMetrics, serveAsWorker } = await import(
    '../server/workers/serve-as-worker.ts'
  );
  const config = await receivedConfig();
  const server = await (role === 'stand-in' ? openStandIn(config) : openWorker(config, source));
  reloadOnSignal(() => server.reload());
  await serveAsWorker(server);
  endWithin(config.shutdown.drainSeconds + STOP_MARGIN_SECONDS);
  await server.stop();
  await sendLastMetrics(server);
  // The bank's module may have left something open.
  process.exit(0);
}

async function openWorker(config: Config, source: string) {
  const [{ openLog }, { openMetrics }, { openServer }, { ReceivedLists }] = await Promise.all([
    import('../server/log/opened-log.ts'),
    import('../server/metrics/opened-metrics.ts'),
    import('../server/opened-server.ts'),
    import('../server/workers/shared-lists.ts'),
  ]);
  const opened = await openLog(config, {}).catch((error: unknown) =>
    failWith(openMetrics(config).log, { outcome: 'worker', error }),
  );
  try {
    const aspsp = await loadAspsp(config, { source });
    const server = await openServer(config, { aspsp, openList: new ReceivedLists().open }, opened);
    server.started();
    return server;
  } catch (error) {
    return failWith(opened.log, { outcome: 'worker', error }).finally(() => opened.audit?.close());
  }
}

/** Without an audit record: a stand-in answers when its folder is missing too. */
async function openStandIn(config: Config) {
  const [{ openMetrics }, standIn] = await Promise.all([
    import('../server/metrics/opened-metrics.ts'),
    import('../server/workers/stand-in.ts'),
  ]);
  const { metrics, log } = openMetrics(config);
  return standIn
    .openStandIn(config, { metrics, log })
    .catch((error: unknown) => failWith(log, { outcome: 'stand-in', error }));
}

/** Reports that this process cannot start, and why. @throws the error */
async function failWith(
  log: Log,
  { outcome, error }: { readonly outcome: WorkerRole; readonly error: unknown },
): Promise<never> {
  log.emit('worker.not_started', { outcome, error });
  throw error;
}

async function watchWorkers(config: Config, { source, read }: ConfigSource): Promise<void> {
  const [{ openOwnerLog }, { Workers }] = await Promise.all([
    import('../server/owner-log.ts'),
    import('../server/workers/workers.ts'),
  ]);
  const opened = await openOwnerLog(config);
  let running = config;
  const [, program = '', ...words] = process.argv;
  const workers = new Workers({
    config,
    fork: (role) => {
      // Lists are sent to workers as bytes.
      const child = fork(program, [...words, '--as', role], { serialization: 'advanced' });
      const message: ToWorker = { configuration: running };
      child.send(message, () => undefined);
      return child;
    },
    ...opened,
  });
  const exitCode = await workers.start();
  if (exitCode !== undefined) {
    await opened.close();
    process.exit(exitCode);
  }
  const reloaded = new ReloadedConfig(config, { file: source, read, of: 'server' });
  reloadOnSignal(async () => {
    await reloaded.reload(opened.log, (next) => {
      const settings = liveSettings(next);
      running = { ...config, ...settings };
      opened.logLevel.current = settings.logLevel;
      workers.change(settings);
    });
    workers.reload();
  });
  const close = async () => {
    await workers.close();
    await opened.close();
  };
  await stopOnSignal(close, { withinSeconds: stopSeconds(config) + WATCH_MARGIN_SECONDS });
}

function stopSeconds({ shutdown }: Config): number {
  return shutdown.noticeSeconds + shutdown.drainSeconds;
}
