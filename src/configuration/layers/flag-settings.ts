import type { Problem } from '../../errors.ts';
import { type Override, readEnvironment } from './environment.ts';
import { nearestOf } from './nearest.ts';
import { findKey, type JsonSchema, keysOf, pathOf, PREFIX, shownPath, variableOf } from './schema-keys.ts';

interface Read {
  readonly overrides: readonly Override[];
  readonly problems: readonly Problem[];
}

/** The values of flags `--set section.key=value`, each read as a variable of the environment is. The last one of a key counts. */
export async function readFlagSettings(
  schema: JsonSchema,
  settings: readonly string[],
  folder: string,
): Promise<Read> {
  const read = await Promise.all(settings.map((setting) => readSetting(schema, setting, folder)));
  return {
    overrides: read.flatMap(({ overrides }) => overrides),
    problems: read.flatMap(({ problems }) => problems),
  };
}

async function readSetting(schema: JsonSchema, setting: string, folder: string): Promise<Read> {
  const at = setting.indexOf('=');
  const place = at === -1 ? setting : setting.slice(0, at);
  // Without the value, which may be a secret.
  const origin = `--set ${place}`;
  const variable = variableOf(pathOf(place));
  const key = findKey(schema, variable.slice(PREFIX.length));
  if (at === -1 || key === undefined || shownPath(key.path) !== place) {
    return { overrides: [], problems: [{ path: '', message: problemOf(schema, place, at), origin }] };
  }
  const { overrides, problems } = await readEnvironment(
    schema,
    { [variable]: setting.slice(at + 1) },
    folder,
  );
  return {
    overrides: overrides.map((one) => ({ ...one, origin })),
    problems: problems.map((one) => ({ ...one, origin })),
  };
}

function problemOf(schema: JsonSchema, place: string, at: number): string {
  if (at === -1) return 'must be of the form section.key=value';
  const shown = place.replaceAll(/\[\d+\]/g, '[0]');
  const nearest = nearestOf(
    shown,
    keysOf(schema).map(({ path }) => shownPath(path)),
  );
  return `sets no key of the configuration. The nearest is ${nearest}`;
}
