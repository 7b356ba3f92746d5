import { configSchema, openConfig } from '../../configuration/config.ts';
import { gatewayConfigSchema, openGatewayConfig } from '../../configuration/gateway-config.ts';
import { variablesOf } from '../../configuration/layers/environment.ts';
import { shownValues } from '../../configuration/layers/redaction.ts';
import { inputSchema, shownPath, typesOf } from '../../configuration/layers/schema-keys.ts';
import { nested, shownYaml } from '../../configuration/layers/shown-configuration.ts';
import { isRefusal } from '../../errors.ts';
import { failureLines } from '../failure.ts';
import { exitCodeOf } from '../process.ts';
import { editorSchema } from './editor-schema.ts';

interface ProgramFlags {
  readonly gateway?: true;
  readonly json?: true;
}

export interface ConfigFlags extends ProgramFlags {
  readonly config: string;
  readonly set: readonly string[];
}

export interface PrintFlags extends ConfigFlags {
  readonly origin?: true;
}

/** Prints every problem of a configuration. Files that it names are not read. */
export async function validate(flags: ConfigFlags): Promise<void> {
  try {
    await open(flags);
  } catch (error) {
    if (!isRefusal(error, 'ERR_CONFIG_INVALID')) throw error;
    process.exitCode = exitCodeOf(error);
    const { source, problems } = error.details;
    if (flags.json === true) printJson({ isValid: false, source, problems });
    else for (const line of failureLines(error)) console.error(line);
    return;
  }
  if (flags.json === true) printJson({ isValid: true, source: flags.config, problems: [] });
  else console.log(`${flags.config}: the configuration is valid`);
}

/** Prints the values in effect. @throws ERR_CONFIG_INVALID */
export async function print(flags: PrintFlags): Promise<void> {
  const { config, layered } = await open(flags);
  const values = shownValues(config, layered);
  if (flags.json !== true) process.stdout.write(shownYaml(values, flags.origin === true));
  else if (flags.origin !== true) printJson(nested(values));
  else printJson(values.map(({ path, value, origin }) => ({ path: shownPath(path), value, origin })));
}

/** Prints the JSON Schema of a configuration file. */
export function printSchema({ gateway }: ProgramFlags): void {
  printJson(editorSchema(gateway === true ? 'gateway' : 'server'));
}

/** Prints every variable that sets a key, and the key. */
export function printVariables({ gateway, json }: ProgramFlags): void {
  const schema = inputSchema(gateway === true ? gatewayConfigSchema : configSchema);
  const rows = variablesOf(schema).map(({ variable, path, schema: { description = '', ...own } }) => ({
    variable,
    key: shownPath(path),
    types: [...typesOf(own)],
    description,
  }));
  if (json === true) printJson(rows);
  else for (const { variable, key } of rows) console.log(`${variable}  ${key}`);
}

function open({ config, gateway, set: settings }: ConfigFlags) {
  const layers = { environment: process.env, settings };
  return gateway === true ? openGatewayConfig(config, layers) : openConfig(config, layers);
}

function printJson(value: unknown): void {
  console.log(JSON.stringify(value, undefined, 2));
}
