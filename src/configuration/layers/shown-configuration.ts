import { Document, isScalar, visit } from 'yaml';
import type { KeyPath } from './schema-keys.ts';
import type { ShownValue } from './redaction.ts';

/** The values as YAML, each with its origin behind it where `withOrigin` asks for that. */
export function shownYaml(values: readonly ShownValue[], withOrigin: boolean): string {
  const document = new Document(nested(values));
  const origins = values.map(({ origin }) => origin);
  visit(document, {
    Node: (key, node) => {
      // A collection without entries is one value too.
      const isValue = key !== 'key' && (isScalar(node) || ('items' in node && node.items.length === 0));
      if (isValue && withOrigin) node.comment = ` ${origins.shift()}`;
    },
  });
  // The comment of an empty list would stand below the list.
  return document.toString({ lineWidth: 0 }).replaceAll(/:\n +(\[\]|\{\})\n +# /g, ': $1 # ');
}

/** The values in the lists and objects in which they stand. */
export function nested(values: readonly ShownValue[]): unknown {
  const root = { value: undefined as unknown };
  for (const { path, value } of values) root.value = withValue(root.value, path, value);
  return root.value ?? {};
}

function withValue(at: unknown, [part, ...rest]: KeyPath, value: unknown): unknown {
  if (part === undefined) return value;
  if (typeof part === 'number') {
    const list: unknown[] = Array.isArray(at) ? at : [];
    list[part] = withValue(list[part], rest, value);
    return list;
  }
  const fields = (at ?? {}) as Record<string, unknown>;
  fields[part] = withValue(fields[part], rest, value);
  return fields;
}
