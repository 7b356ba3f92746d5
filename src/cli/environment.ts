import { Option } from 'commander';
import type { Config } from '../configuration/config.ts';
import type { GatewayConfig } from '../configuration/gateway-config.ts';

/*
 * Every command reads its configuration here, so that all of them see the same values, whatever the environment sets.
 */

/** `--set`, for commands that read a configuration. */
export function settingOption(): Option {
  return new Option('--set <section.key=value>', 'a value over that of file and environment; repeatable')
    .argParser((text: string, earlier: readonly string[]) => [...earlier, text])
    .default([], 'none');
}

/** The configuration of a server. @throws ERR_CONFIG_INVALID */
export async function readConfig(file: string, settings: readonly string[] = []): Promise<Config> {
  const { loadConfig } = await import('../configuration/config.ts');
  return loadConfig(file, { environment: process.env, settings });
}

/** The configuration of a gateway. @throws ERR_CONFIG_INVALID */
export async function readGatewayConfig(
  file: string,
  settings: readonly string[] = [],
): Promise<GatewayConfig> {
  const { loadGatewayConfig } = await import('../configuration/gateway-config.ts');
  return loadGatewayConfig(file, { environment: process.env, settings });
}
