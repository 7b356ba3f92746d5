import { z } from 'zod';

/** The part of a JSON Schema that names the keys of a configuration. */
export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly required?: readonly string[];
  readonly not?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

/** Where a key stands: names of members, and positions in lists. */
export type KeyPath = readonly (string | number)[];

/** One key of a configuration. */
export interface SchemaKey {
  readonly path: KeyPath;
  readonly schema: JsonSchema;
}

/** Begins every variable of the environment that sets a key. */
export const PREFIX = 'TALLYSTICK_';

/** The schema of the input, before defaults and changes, as JSON Schema. */
export function inputSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
}

/** The key of a name such as `TRUST__0__ANCHORS_FILE`; undefined when there is none. */
export function findKey(root: JsonSchema, name: string): SchemaKey | undefined {
  const path: (string | number)[] = [];
  let schema = root;
  for (const part of name.split('__')) {
    const [step, next] = stepInto(schema, part) ?? [];
    if (step === undefined || next === undefined) return undefined;
    path.push(step);
    schema = next;
  }
  return { path, schema };
}

/** The names that an object at the path may have. */
export function namesAt(root: JsonSchema, path: readonly PropertyKey[]): readonly string[] {
  let schema: JsonSchema = root;
  for (const part of path) {
    schema = (typeof part === 'number' ? itemOf(schema) : propertiesOf(schema)[String(part)]) ?? {};
  }
  return Object.keys(propertiesOf(schema));
}

/** Every key below the schema, also those that hold others. A list is shown by its first entry. */
export function keysOf(root: JsonSchema, above: KeyPath = []): SchemaKey[] {
  const item = itemOf(root);
  const inner = [
    ...Object.entries(propertiesOf(root)).map(([name, schema]) => ({ path: [...above, name], schema })),
    ...(item === undefined ? [] : [{ path: [...above, 0], schema: item }]),
  ];
  return inner.flatMap((key) => [key, ...keysOf(key.schema, key.path)]);
}

/** `TALLYSTICK_TRUST__0__ANCHORS_FILE`, the variable of a key. */
export function variableOf(path: KeyPath): string {
  return PREFIX + path.map((part) => (typeof part === 'number' ? String(part) : upperSnake(part))).join('__');
}

/** The types that a key may have: `string`, `integer`, `object` and others. */
export function typesOf(schema: JsonSchema): ReadonlySet<string> {
  return new Set(formsOf(schema).flatMap(({ type }) => type ?? []));
}

/** `clients[0].jwks`, as people write it. */
export function shownPath(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}

/** The path of what `shownPath` has written. */
export function pathOf(shown: string): KeyPath {
  const parts = shown.match(/[^.[\]]+|\[\d+\]/g) ?? [];
  return parts.map((part) => (part.startsWith('[') ? Number(part.slice(1, -1)) : part));
}

/** More entries are set as one text. */
const INDEX = /^\d{1,2}$/;

function stepInto(schema: JsonSchema, part: string): readonly [string | number, JsonSchema] | undefined {
  const item = itemOf(schema);
  if (item !== undefined && INDEX.test(part)) return [Number(part), item];
  return Object.entries(propertiesOf(schema)).find(([name]) => upperSnake(name) === part);
}

function upperSnake(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toUpperCase();
}

/** The schema and the alternatives in it. */
function formsOf(schema: JsonSchema): readonly JsonSchema[] {
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  return [schema, ...inner.flatMap(formsOf)];
}

/** Without the names of settings that are gone, for which the schema has a sentence. */
function propertiesOf(schema: JsonSchema): Readonly<Record<string, JsonSchema>> {
  const found = new Map<string, JsonSchema[]>();
  for (const { properties = {} } of formsOf(schema)) {
    for (const [name, inner] of Object.entries(properties)) {
      if (inner.not === undefined) found.set(name, [...(found.get(name) ?? []), inner]);
    }
  }
  const merged = [...found].map(([name, [first = {}, ...others]]) =>
    others.length === 0 ? [name, first] : [name, { anyOf: [first, ...others] }],
  );
  return Object.fromEntries(merged);
}

/** The schema of the entries of a list; undefined where the key is no list. */
function itemOf(schema: JsonSchema): JsonSchema | undefined {
  const [first, ...others] = formsOf(schema).flatMap(({ items }) => items ?? []);
  return first === undefined || others.length === 0 ? first : { anyOf: [first, ...others] };
}
