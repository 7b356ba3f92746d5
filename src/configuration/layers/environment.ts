import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Problem } from '../../errors.ts';
import { isRefusal } from '../../errors.ts';
import { parseYaml } from '../yaml-document.ts';
import { nearestOf } from './nearest.ts';
import {
  findKey,
  type JsonSchema,
  type KeyPath,
  keysOf,
  PREFIX,
  type SchemaKey,
  shownPath,
  typesOf,
  variableOf,
} from './schema-keys.ts';

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A value that takes the place of that of the file, and where the value comes from. */
export interface Override {
  readonly path: KeyPath;
  readonly value: unknown;
  readonly origin: string;
}

const OF_FILE = '_FILE';
const MAX_FILE_BYTES = 1_048_576;
/**
 * The variables that Kubernetes sets in every container about a Service, which may be named like this program
 * (`TALLYSTICK_SERVICE_HOST`, `TALLYSTICK_PORT_8443_TCP_ADDR`). The server does not read them.
 */
const OF_SERVICES =
  /^TALLYSTICK_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

/**
 * The values that variables `TALLYSTICK_SECTION__KEY` set, and files that `TALLYSTICK_SECTION__KEY_FILE` names, the outer
 * ones first. A variable whose name is that of a key ending with `File` is that key. Relative file names start at `folder`.
 */
export async function readEnvironment(
  schema: JsonSchema,
  environment: Environment,
  folder: string,
): Promise<{ readonly overrides: readonly Override[]; readonly problems: readonly Problem[] }> {
  const names = Object.keys(environment).filter((name) => name.startsWith(PREFIX) && !isOfService(name));
  const read = await Promise.all(
    names.sort().map((name) => readVariable(schema, { name, text: environment[name] ?? '', folder })),
  );
  const overrides = read
    .flatMap((one) => ('path' in one ? [one] : []))
    .sort((a, b) => a.path.length - b.path.length || comparePaths(a.path, b.path));
  const problems = read.flatMap((one) => ('problem' in one ? [one.problem] : []));
  return { overrides, problems: [...problems, ...repeated(overrides)] };

  function isOfService(name: string): boolean {
    return OF_SERVICES.test(name) && meantKey(schema, name) === undefined;
  }
}

/** Each variable that may be set, with the key that it sets. Lists are shown by their first entry. */
export function variablesOf(schema: JsonSchema): readonly (SchemaKey & { readonly variable: string })[] {
  return keysOf(schema).map((key) => ({ ...key, variable: variableOf(key.path) }));
}

type Read = Override | { readonly problem: Problem };

interface Variable {
  readonly name: string;
  readonly text: string;
  readonly folder: string;
}

async function readVariable(schema: JsonSchema, { name, text, folder }: Variable): Promise<Read> {
  const key = meantKey(schema, name);
  if (key === undefined) return { problem: unknown(schema, name) };
  const { path } = key;
  const origin = key.isOfFile ? `${name} (${text})` : name;
  const refused = (message: string) => ({ problem: { path: shownPath(path), message, origin } });
  try {
    const content = key.isOfFile ? await contentOf(resolve(folder, text)) : text;
    return { path, origin, value: valueIn(content, key.schema, origin) };
  } catch (error) {
    if (isRefusal(error, 'ERR_CONFIG_INVALID')) {
      return refused(`is no YAML: ${error.details.problems.map(({ message }) => message).join('; ')}`);
    }
    const reason =
      error instanceof Error && 'code' in error ? `cannot be read: ${error.code}` : reasonOf(error);
    return refused(reason + hintOf(schema, name));
  }
}

function meantKey(
  schema: JsonSchema,
  name: string,
): (SchemaKey & { readonly isOfFile: boolean }) | undefined {
  const rest = name.slice(PREFIX.length);
  const own = findKey(schema, rest);
  if (own !== undefined) return { ...own, isOfFile: false };
  const ofFile = rest.endsWith(OF_FILE) ? findKey(schema, rest.slice(0, -OF_FILE.length)) : undefined;
  return ofFile && { ...ofFile, isOfFile: true };
}

function unknown(schema: JsonSchema, name: string): Problem {
  const shown = name.replaceAll(/__\d+(?=__|$)/g, '__0');
  const nearest = nearestOf(
    shown,
    variablesOf(schema).map(({ variable }) => variable),
  );
  return {
    path: '',
    message: `sets no key of the configuration. The nearest is ${nearest}`,
    origin: name,
  };
}

/** `TALLYSTICK_STORAGE_FILE` is the content of a section, where `TALLYSTICK_STORAGE__FILE` may be meant. */
function hintOf(schema: JsonSchema, name: string): string {
  const other = name.replace(/_FILE$/, `_${OF_FILE}`);
  return findKey(schema, other.slice(PREFIX.length)) === undefined ? '' : `. Is ${other} meant?`;
}

/** Text for a key that is text; for others the value that the text has as YAML. */
function valueIn(text: string, schema: JsonSchema, origin: string): unknown {
  const types = typesOf(schema);
  if (types.has('string') && types.size === 1) return text;
  try {
    const { value } = parseYaml(text, origin);
    return types.has('string') && !types.has(typeOf(value)) ? text : value;
  } catch (error) {
    if (types.has('string')) return text;
    throw error;
  }
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

async function contentOf(file: string): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_FILE_BYTES + 1));
    if (bytesRead > MAX_FILE_BYTES) throw new RangeError(`has more than ${MAX_FILE_BYTES} bytes`);
    return buffer.toString('utf8', 0, bytesRead).replace(/\r?\n$/, '');
  } finally {
    await handle.close();
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function repeated(overrides: readonly Override[]): readonly Problem[] {
  return overrides.flatMap(({ path, origin }, at) => {
    const earlier = overrides.slice(0, at).find((one) => shownPath(one.path) === shownPath(path));
    const message = `is set by ${earlier?.origin} as well`;
    return earlier === undefined ? [] : [{ path: shownPath(path), message, origin }];
  });
}

/** Entries of a list in their order. */
function comparePaths(a: KeyPath, b: KeyPath): number {
  for (const [at, part] of a.entries()) {
    const other = b[at] ?? '';
    if (part === other) continue;
    if (typeof part === 'number' && typeof other === 'number') return part - other;
    return String(part) < String(other) ? -1 : 1;
  }
  return 0;
}
