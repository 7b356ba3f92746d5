import { ZodError } from 'zod';
import type { Config } from '../configuration/config.ts';
import { withEnvironmentProxy } from '../configuration/outbound-schema.ts';
import { invalidConfig } from '../errors.ts';

/**
 * The configuration with the proxy of the environment, where it asks for it.
 *
 * @throws ERR_CONFIG_INVALID
 */
export function withEnvironment(config: Config): Config {
  try {
    return { ...config, outbound: withEnvironmentProxy(config.outbound, process.env) };
  } catch (cause) {
    if (!(cause instanceof ZodError)) throw cause;
    const problems = [
      { path: 'HTTPS_PROXY or HTTP_PROXY', message: 'must be the http or https URL of a proxy' },
    ];
    throw invalidConfig('environment', problems, cause);
  }
}
