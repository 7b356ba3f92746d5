import cluster from 'node:cluster';
import { Command } from 'commander';
import type { Config } from '../index.ts';
import { loadAspsp } from './aspsp-module.ts';
import { refuseUnsafeEnvironment, reloadOnSignal, stopOnSignal } from './process.ts';

/** For closing stores and files after the last connection. */
const STOP_MARGIN_SECONDS = 3;

/** `tallystick serve`: the authorization server of a bank. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('start the authorization server')
    .requiredOption('--config <file>', 'the configuration, YAML or JSON')
    .action(async (flags: { readonly config: string }) => {
      refuseUnsafeEnvironment();
      const { loadConfig } = await import('../index.ts');
      const { withEnvironment } = await import('./environment.ts');
      const config = withEnvironment(await loadConfig(flags.config));
      if (config.workers > 1 && cluster.isPrimary) await watchWorkers(config);
      else await serve(config, flags.config);
    });
}

async function serve(config: Config, source: string): Promise<void> {
  const { startServer } = await import('../server/server.ts');
  const aspsp = await loadAspsp(config.aspspModule, { source });
  if (cluster.isPrimary) {
    const server = await startServer(config, { aspsp });
    reloadOnSignal(() => server.reload());
    await stopOnSignal(() => server.close());
    return;
  }
  const { serveAsWorker } = await import('../server/workers.ts');
  const { ReceivedLists } = await import('../server/shared-lists.ts');
  const lists = new ReceivedLists();
  const server = await startServer(config, { aspsp, isHealthServed: false, openList: lists.open }).catch(
    (error: unknown) => {
      lists.close();
      throw error;
    },
  );
  reloadOnSignal(() => server.reload());
  // A service manager may signal every process of the group.
  await Promise.race([serveAsWorker(server), stopOnSignal(() => server.close())]);
  process.disconnect?.();
}

async function watchWorkers({ workers: count, listen, logLevel, shutdown }: Config): Promise<void> {
  const { createLog } = await import('../log.ts');
  const { startWorkers } = await import('../server/workers.ts');
  const workers = await startWorkers({
    count,
    healthPort: listen.health,
    stopSeconds: shutdown.noticeSeconds + shutdown.drainSeconds + STOP_MARGIN_SECONDS,
    log: createLog({ level: logLevel }),
  });
  reloadOnSignal(() => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGHUP');
  });
  await stopOnSignal(() => workers.close());
}
