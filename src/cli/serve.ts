import cluster from 'node:cluster';
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import type { Aspsp, Config } from '../index.ts';
import { invalidConfig } from '../errors.ts';
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
      const config = await loadConfig(flags.config);
      if (config.workers > 1 && cluster.isPrimary) await watchWorkers(config);
      else await serve(config, flags.config);
    });
}

async function serve(config: Config, source: string): Promise<void> {
  const { startServer } = await import('../server/server.ts');
  const aspsp = await loadAspsp(config.aspspModule, source);
  if (cluster.isPrimary) {
    const server = await startServer(config, { aspsp });
    reloadOnSignal(() => server.reload());
    await stopOnSignal(() => server.close());
    return;
  }
  const { serveAsWorker } = await import('../server/workers.ts');
  const server = await startServer(config, { aspsp, isHealthServed: false });
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

async function loadAspsp(file: string | undefined, source: string): Promise<Aspsp> {
  const invalid = (message: string, cause?: unknown) =>
    invalidConfig(source, [{ path: 'aspspModule', message }], cause);
  if (file === undefined) throw invalid('is required to serve: the server has no login of its own');
  const loaded: Record<string, unknown> = await import(pathToFileURL(file).href).catch((cause: unknown) => {
    throw invalid('cannot be loaded', cause);
  });
  const { createAspsp } = loaded;
  if (typeof createAspsp !== 'function') throw invalid('does not export a function createAspsp');
  const aspsp: Partial<Aspsp> = Object(await createAspsp());
  const isWhole =
    'name' in aspsp &&
    [aspsp.answerAuthentication, aspsp.listAccounts].every((one) => typeof one === 'function');
  if (!isWhole) throw invalid('createAspsp must answer with name, answerAuthentication and listAccounts');
  return aspsp as Aspsp;
}
