import type { Config } from '../configuration/config.ts';
import type { GatewayConfig } from '../configuration/gateway-config.ts';

/*
 * Every command reads its configuration here, so that all of them see the same values, whatever the environment sets.
 */

/** The configuration of a server. @throws ERR_CONFIG_INVALID */
export async function readConfig(file: string): Promise<Config> {
  const { loadConfig } = await import('../configuration/config.ts');
  return loadConfig(file, { environment: process.env });
}

/** The configuration of a gateway. @throws ERR_CONFIG_INVALID */
export async function readGatewayConfig(file: string): Promise<GatewayConfig> {
  const { loadGatewayConfig } = await import('../configuration/gateway-config.ts');
  return loadGatewayConfig(file, { environment: process.env });
}
