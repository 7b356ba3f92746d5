import { fork } from 'node:child_process';
import { Command, Option } from 'commander';
import type { Config } from '../index.ts';
import type { WorkerRole } from '../server/workers/worker-messages.ts';
import { loadAspsp } from './aspsp-module.ts';
import { readConfig } from './environment.ts';
import { endWithin, refuseUnsafeEnvironment, reloadOnSignal, stopOnSignal } from './process.ts';

/** For closing stores and files after the last connection. */
const STOP_MARGIN_SECONDS = 3;
/** For workers, which are stopped by this process and killed after the margin. */
const WATCH_MARGIN_SECONDS = 2 * STOP_MARGIN_SECONDS;

interface Flags {
  readonly config: string;
  readonly as?: WorkerRole;
}

/** `tallystick serve`: the authorization server of a bank. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('start the authorization server')
    .requiredOption('--config <file>', 'the configuration, YAML or JSON')
    .addOption(
      new Option('--as <role>', 'for processes that this command starts')
        .choices(['worker', 'stand-in'])
        .hideHelp(),
    )
    .action(async (flags: Flags) => {
      refuseUnsafeEnvironment();
      const config = await readConfig(flags.config);
      if (flags.as !== undefined) await serveAs(flags.as, config, flags.config);
      else if (config.workers > 1) await watchWorkers(config);
      else await serve(config, flags.config);
    });
}

async function serve(config: Config, source: string): Promise<void> {
  const { startServer } = await import('../server/server.ts');
  const server = await startServer(config, { aspsp: await loadAspsp(config, { source }) });
  reloadOnSignal(() => server.reload());
  await stopOnSignal(() => server.close(), { withinSeconds: stopSeconds(config) + STOP_MARGIN_SECONDS });
}

/** A process that `watchWorkers` has started. */
async function serveAs(role: WorkerRole, config: Config, source: string): Promise<void> {
  const [{ openMetrics }, { sendLastMetrics, serveAsWorker }] = await Promise.all([
    import('../server/metrics/opened-metrics.ts'),
    import('../server/workers/serve-as-worker.ts'),
  ]);
  const { metrics, log } = openMetrics(config);
  const open = async () => {
    if (role === 'stand-in')
      return (await import('../server/workers/stand-in.ts')).openStandIn(config, { metrics, log });
    const [{ openServer }, { ReceivedLists }] = await Promise.all([
      import('../server/opened-server.ts'),
      import('../server/workers/shared-lists.ts'),
    ]);
    const aspsp = await loadAspsp(config, { source });
    const opened = await openServer(config, { aspsp, log, metrics, openList: new ReceivedLists().open });
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

async function watchWorkers(config: Config): Promise<void> {
  const { openMetrics } = await import('../server/metrics/opened-metrics.ts');
  const { Workers } = await import('../server/workers/workers.ts');
  const [, program = '', ...words] = process.argv;
  const workers = new Workers({
    config,
    // Lists are sent to workers as bytes.
    fork: (role) => fork(program, [...words, '--as', role], { serialization: 'advanced' }),
    ...openMetrics(config),
  });
  const exitCode = await workers.start();
  if (exitCode !== undefined) process.exit(exitCode);
  reloadOnSignal(() => workers.reload());
  await stopOnSignal(() => workers.close(), { withinSeconds: stopSeconds(config) + WATCH_MARGIN_SECONDS });
}

function stopSeconds({ shutdown }: Config): number {
  return shutdown.noticeSeconds + shutdown.drainSeconds;
}
