import { Command } from 'commander';
import { readGatewayConfig } from './environment.ts';
import { refuseUnsafeEnvironment, reloadOnSignal, stopOnSignal } from './process.ts';

/** For closing files after the last connection. */
const STOP_MARGIN_SECONDS = 3;

/** `tallystick gateway`: decides for nginx or Envoy, in front of APIs in any language. */
export function gatewayCommand(): Command {
  return new Command('gateway')
    .description('decide for nginx (auth_request) or Envoy (ext_authz) in front of your APIs')
    .requiredOption('--config <file>', 'the configuration, YAML or JSON')
    .action(async (flags: { readonly config: string }) => {
      refuseUnsafeEnvironment();
      const [config, { startGateway }] = await Promise.all([
        readGatewayConfig(flags.config),
        import('../server/gateway/gateway-server.ts'),
      ]);
      const gateway = await startGateway(config, { source: flags.config });
      reloadOnSignal(() => gateway.reload());
      const { noticeSeconds, drainSeconds } = config.shutdown;
      const withinSeconds = noticeSeconds + drainSeconds + STOP_MARGIN_SECONDS;
      await stopOnSignal(() => gateway.close(), { withinSeconds });
    });
}
