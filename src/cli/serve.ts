import { fork } from 'node:child_process';
import { Command, Option } from 'commander';
import type { Config } from '../index.ts';
import { liveSettings, ReloadedConfig } from '../server/reload/live-settings.ts';
import type { ToWorker, WorkerRole } from '../server/workers/worker-messages.ts';
import { loadAspsp } from './aspsp-module.ts';
import { readConfig, settingOption } from './environment.ts';
import { endWithin, refuseUnsafeEnvironment, reloadOnSignal, stopOnSignal } from './process.ts';

/** For closing stores and files after the last connection. */
const STOP_MARGIN_SECONDS = 3;
/** For workers, which are stopped by this process and killed after the margin. */
const WATCH_MARGIN_SECONDS = 2 * STOP_MARGIN_SECONDS;

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
  const [{ startServer }, { openMetrics }] = await Promise.all([
    import('../server/server.ts'),
    import('../server/metrics/opened-metrics.ts'),
  ]);
  const opened = openMetrics(config);
  const server = await startServer(config, { aspsp: await loadAspsp(config, { source }), ...opened });
  const reloaded = new ReloadedConfig(config, { file: source, read, of: 'server' });
  reloadOnSignal(async () => {
    await reloaded.reload(opened.log, (next) => server.change(liveSettings(next)));
    await server.reload();
  });
  await stopOnSignal(() => server.close(), { withinSeconds: stopSeconds(config) + STOP_MARGIN_SECONDS });
}

/** A process that `watchWorkers` has started. */
async function serveAs(role: WorkerRole, source: string): Promise<void> {
  const [{ openMetrics }, { receivedConfig, sendLastMetrics, serveAsWorker }] = await Promise.all([
    import('../server/metrics/opened-metrics.ts'),
    import('../server/workers/serve-as-worker.ts'),
  ]);
  const config = await receivedConfig();
  const { metrics, log, logLevel } = openMetrics(config);
  const open = async () => {
    if (role === 'stand-in')
      return (await import('../server/workers/stand-in.ts')).openStandIn(config, { metrics, log });
    const [{ openServer }, { ReceivedLists }] = await Promise.all([
      import('../server/opened-server.ts'),
      import('../server/workers/shared-lists.ts'),
    ]);
    const aspsp = await loadAspsp(config, { source });
    const opened = await openServer(config, {
      aspsp,
      log,
      logLevel,
      metrics,
      openList: new ReceivedLists().open,
    });
    opened.started();
    return opened;
  };
  const server = await open().catch((error: unknown) => {
    log.emit('worker.not_started', { outcome: role, error });
    throw error;
  });
  reloadOnSignal(() => server.reload());
  await serveAsWorker(server);
  endWithin(config.shutdown.drainSeconds + STOP_MARGIN_SECONDS);
  await server.stop();
  await sendLastMetrics(server);
  // The bank's module may have left something open.
  process.exit(0);
}

async function watchWorkers(config: Config, { source, read }: ConfigSource): Promise<void> {
  const [{ openMetrics }, { Workers }] = await Promise.all([
    import('../server/metrics/opened-metrics.ts'),
    import('../server/workers/workers.ts'),
  ]);
  const opened = openMetrics(config);
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
  if (exitCode !== undefined) process.exit(exitCode);
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
  await stopOnSignal(() => workers.close(), { withinSeconds: stopSeconds(config) + WATCH_MARGIN_SECONDS });
}

function stopSeconds({ shutdown }: Config): number {
  return shutdown.noticeSeconds + shutdown.drainSeconds;
}
