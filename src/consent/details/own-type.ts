import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { dateSchema } from './members.ts';

/** Keywords that lead to other documents, or to a schema that depends on the way there. */
const FOREIGN = ['$dynamicRef', '$dynamicAnchor', '$recursiveRef', '$anchor', '$id'] as const;
/** Keywords whose value is a schema of the same place. */
const SAME_PLACE = ['allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else', 'dependentSchemas'] as const;
/** Keywords whose value is a schema of a place further in, or a map or list of such schemas. */
const INNER_MAPS = ['properties', 'patternProperties'] as const;
const INNER = ['items', 'contains', 'prefixItems'] as const;
/** Keywords of which a place has one, so that its values are not of every type. */
const SAYING = ['type', '$ref', 'const', 'enum', 'allOf', 'anyOf', 'oneOf'] as const;
const MAX_DEPTH = 32;

type Schema = Readonly<Record<string, unknown>>;

/** The check of an own type of the bank: why a detail is not of the type, or undefined. */
export type DetailCheck = (detail: object) => string | undefined;

/**
 * Compiles the JSON Schema (2020-12) of an own type. At no level does the schema have to refuse unknown members: every object
 * refuses them (RFC 9396 §5). A schema that would allow them is refused.
 *
 * @throws Error with the place in the schema
 */
export function compileOwnType(type: string, schema: unknown): DetailCheck {
  if (!isSchema(schema)) throw new Error('must be a JSON Schema of an object');
  const ajv = new Ajv2020({ strict: true, strictTypes: false, ownProperties: true });
  const isDate = (text: string) => dateSchema.safeParse(text).success;
  ajv.addFormat('date', isDate).addFormat('date-time', isDate);
  ajv.addFormat('uri', (text: string) => URL.canParse(text));
  const { $schema: _dialect, $defs, ...rest } = schema;
  const own = closed({ ...rest, ...withType(type, rest) }, '', 0);
  const named = isSchema($defs) ? mapOf($defs, (inner, name) => opened(inner, `/$defs/${name}`, 1)) : {};
  const validate = ajv.compile({ allOf: [own], $defs: named });
  return (detail) => problemOf(validate, detail);
}

function withType(type: string, { properties, required }: Schema): Schema {
  const own = isSchema(properties) ? properties : {};
  return {
    type: 'object',
    properties: { ...own, type: { type: 'string', const: type } },
    required: [...new Set(['type', ...(Array.isArray(required) ? required : [])])],
  };
}

function problemOf(validate: ValidateFunction, detail: object): string | undefined {
  if (validate(detail)) return undefined;
  const [error] = validate.errors ?? [];
  const { unevaluatedProperty: unknown, additionalProperty = unknown } = (error?.params ?? {}) as Schema;
  const place = (error?.instancePath ?? '').slice(1).replaceAll('/', '.');
  if (typeof additionalProperty === 'string') {
    return `${[place, additionalProperty].filter(Boolean).join('.')} is not a member of the type`;
  }
  return `${place} ${error?.message ?? 'is not of the type'}`.trim();
}

/** The schema of a place, where unknown members are refused. */
function closed(value: unknown, path: string, depth: number): Schema | boolean {
  const schema = opened(value, path, depth);
  if (typeof schema === 'boolean') {
    if (schema) throw new Error(`${path || '/'} must not allow everything`);
    return schema;
  }
  if (!SAYING.some((keyword) => schema[keyword] !== undefined)) {
    throw new Error(`${path || '/'} must have one of ${SAYING.join(', ')}`);
  }
  if ([schema.type].flat().includes('array') && schema.items === undefined) {
    throw new Error(`${path || '/'} must have items`);
  }
  return { ...schema, unevaluatedProperties: false };
}

/** The schema with every place further in closed. */
function opened(value: unknown, path: string, depth: number): Schema | boolean {
  if (depth > MAX_DEPTH) throw new Error(`${path} is nested too deep`);
  if (typeof value === 'boolean') return value;
  if (!isSchema(value)) throw new Error(`${path || '/'} must be a schema`);
  assertOwnWords(value, path);
  const next = (inner: unknown, name: string) => closed(inner, `${path}/${name}`, depth + 1);
  const same = (inner: unknown, name: string) => opened(inner, `${path}/${name}`, depth + 1);
  return mapOf(value, (inner, keyword) => {
    if (isAmong(INNER_MAPS, keyword)) return mapOf(inner, (one, name) => next(one, `${keyword}/${name}`));
    if (keyword === 'dependentSchemas') return mapOf(inner, (one, name) => same(one, `${keyword}/${name}`));
    if (isAmong(INNER, keyword)) return each(inner, (one) => next(one, keyword));
    if (isAmong(SAME_PLACE, keyword)) return each(inner, (one) => same(one, keyword));
    return inner;
  });
}

function assertOwnWords(schema: Schema, path: string): void {
  const foreign = FOREIGN.find((keyword) => schema[keyword] !== undefined);
  if (foreign !== undefined) throw new Error(`${path || '/'} must not have ${foreign}`);
  const { $ref, additionalProperties = false, unevaluatedProperties = false } = schema;
  if ($ref !== undefined && !/^#\/\$defs\/[\w-]+$/.test(String($ref))) {
    throw new Error(`${path}/$ref must be of the form #/$defs/name`);
  }
  if (additionalProperties !== false || unevaluatedProperties !== false) {
    throw new Error(`${path || '/'} must not allow unknown members`);
  }
}

function each(value: unknown, change: (one: unknown) => unknown): unknown {
  return Array.isArray(value) ? value.map(change) : change(value);
}

function mapOf(value: unknown, change: (inner: unknown, name: string) => unknown): Schema {
  if (!isSchema(value)) throw new Error('must be an object of schemas');
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, change(inner, name)]));
}

function isAmong(names: readonly string[], name: string): boolean {
  return names.includes(name);
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
