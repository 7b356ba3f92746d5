import { configSchema } from '../../configuration/config.ts';
import { gatewayConfigSchema } from '../../configuration/gateway-config.ts';
import { inputSchema } from '../../configuration/layers/schema-keys.ts';

/** The JSON Schema of a configuration file, by which editors complete and check. docs/ has its text. */
export function editorSchema(of: 'server' | 'gateway'): object {
  const { $schema, ...schema }: Readonly<Record<string, unknown>> = {
    ...inputSchema(of === 'server' ? configSchema : gatewayConfigSchema),
  };
  const title = of === 'server' ? 'Configuration of tallystick serve' : 'Configuration of tallystick gateway';
  return { $schema, title, ...schema };
}
