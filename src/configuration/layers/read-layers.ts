import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { readRequired } from '../configured-files.ts';
import { parseYaml } from '../yaml-document.ts';
import { type Environment, type Override, readEnvironment } from './environment.ts';
import { readFlagSettings } from './flag-settings.ts';
import { LayeredValue } from './layered-value.ts';
import type { ValueToParse } from './parsed-value.ts';
import { inputSchema, PREFIX } from './schema-keys.ts';

/** Values that take the place of those of a configuration file. */
export interface ConfigLayers {
  /**
   * Variables of a process: `TALLYSTICK_SECTION__KEY`, `TALLYSTICK_SECTION__KEY_FILE`, and those of a proxy. Default:
   * none.
   */
  readonly environment?: Environment;
  /** Values of flags, over those of the environment: `listen.front=8443`. Default: none. */
  readonly settings?: readonly string[];
}

/** A configuration, and where each of its values comes from. */
export interface OpenedConfig<T> {
  readonly config: T;
  readonly layered: LayeredValue;
}

/** Values that further variables set, beside those named after keys. */
export type FurtherOverrides = (value: unknown, environment: Environment) => readonly Override[];

/**
 * Reads a configuration file and the variables that take the place of its values.
 *
 * @throws ERR_CONFIG_INVALID when the file cannot be read, or is no YAML
 */
export async function readLayers(
  schema: z.ZodType,
  path: string,
  { environment = {}, settings = [] }: ConfigLayers,
  further: FurtherOverrides = () => [],
): Promise<{ readonly layered: LayeredValue; readonly toParse: ValueToParse; readonly folder: string }> {
  const file = parseYaml(await readRequired(path, ''), path);
  const folder = dirname(resolve(path));
  const isSet = Object.keys(environment).some((name) => name.startsWith(PREFIX));
  const { overrides, problems } = isSet
    ? await readEnvironment(inputSchema(schema), environment, folder)
    : { overrides: [], problems: [] };
  const named = new LayeredValue(file, path, overrides);
  const more = further(named.value, environment);
  const flags =
    settings.length === 0
      ? { overrides: [], problems: [] }
      : await readFlagSettings(inputSchema(schema), settings, folder);
  const above = [...more, ...flags.overrides];
  const layered = above.length === 0 ? named : new LayeredValue(file, path, [...overrides, ...above]);
  const nearestOrigin = (place: readonly PropertyKey[]) => layered.nearestOrigin(place);
  return {
    layered,
    toParse: { value: layered.value, source: path, earlier: [...problems, ...flags.problems], nearestOrigin },
    folder,
  };
}
