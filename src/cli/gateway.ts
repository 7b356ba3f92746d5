import { Command } from 'commander';
import { LogLevel } from '../logging/log-level.ts';
import { ReloadedConfig } from '../server/reload/live-settings.ts';
import { readGatewayConfig, settingOption } from './environment.ts';
import { refuseUnsafeEnvironment, reloadOnSignal, stopOnSignal } from './process.ts';

/** For closing files after the last connection. */
const STOP_MARGIN_SECONDS = 3;

/** `tallystick gateway`: decides for nginx or Envoy, in front of APIs in any language. */
export function gatewayCommand(): Command {
  return new Command('gateway')
    .description('decide for nginx (auth_request) or Envoy (ext_authz) in front of your APIs')
    .requiredOption('--config <file>', 'the configuration, YAML or JSON')
    .addOption(settingOption())
    .action(async ({ config: file, set }: { readonly config: string; readonly set: readonly string[] }) => {
      refuseUnsafeEnvironment();
      const [config, { startGateway }, { createLog }] = await Promise.all([
        readGatewayConfig(file, set),
        import('../server/gateway/gateway-server.ts'),
        import('../log.ts'),
      ]);
      const logLevel = new LogLevel(config.logLevel);
      const log = createLog({ level: logLevel });
      const gateway = await startGateway(config, { source: file, log });
      const reloaded = new ReloadedConfig(config, {
        file,
        read: () => readGatewayConfig(file, set),
        of: 'gateway',
      });
      reloadOnSignal(async () => {
        await reloaded.reload(log, (next) => {
          logLevel.current = next.logLevel;
        });
        await gateway.reload();
      });
      const { noticeSeconds, drainSeconds } = config.shutdown;
      const withinSeconds = noticeSeconds + drainSeconds + STOP_MARGIN_SECONDS;
      await stopOnSignal(() => gateway.close(), { withinSeconds });
    });
}
