import type { Override } from './environment.ts';
import type { KeyPath } from './schema-keys.ts';
import type { ParsedYaml } from '../yaml-document.ts';

/** The value of a configuration file, in which variables of the environment have replaced some values. */
export class LayeredValue {
  readonly value: unknown;
  readonly source: string;
  readonly #file: ParsedYaml;
  readonly #overrides: readonly Override[];

  constructor(file: ParsedYaml, source: string, overrides: readonly Override[] = []) {
    this.#file = file;
    this.#overrides = overrides;
    this.source = source;
    this.value = overrides.reduce((all, { path, value }) => replaced(all, path, value), file.value);
  }

  /**
   * Where the value at a path comes from: `tallystick.yaml:12`, or the variable that sets it. Undefined for a default:
   * what stands above the path does not name it.
   */
  originOf(path: KeyPath): string | undefined {
    const { isNamed, depth } = namedIn(this.value, path);
    return isNamed ? this.nearestOrigin(path.slice(0, depth)) : undefined;
  }

  /** As `originOf`, or the place of the nearest value: a variable for a part of it, or the line of what is around it. */
  nearestOrigin(path: readonly PropertyKey[]): string {
    const isAbove = (one: Override) =>
      one.path.every((part, at) => part === path[at]) && one.path.length <= path.length;
    const isBelow = (one: Override) => path.length > 0 && path.every((part, at) => part === one.path[at]);
    const override = this.#overrides.findLast(isAbove) ?? this.#overrides.findLast(isBelow);
    if (override !== undefined) return override.origin;
    const line = this.#file.lineOf(path);
    return line === undefined ? this.source : `${this.source}:${line}`;
  }
}

/** Whether the value names the path: a plain value above it is the whole of what is below. */
function namedIn(value: unknown, path: KeyPath): { readonly isNamed: boolean; readonly depth: number } {
  let at = value;
  for (const [depth, part] of path.entries()) {
    if (typeof at !== 'object' || at === null) return { isNamed: depth > 0, depth };
    const inner: unknown = Object.getOwnPropertyDescriptor(at, part)?.value;
    if (inner === undefined) return { isNamed: false, depth };
    at = inner;
  }
  return { isNamed: true, depth: path.length };
}

/** The value with another one at the path; what is on the way there and is no list or object is replaced. */
function replaced(value: unknown, [part, ...rest]: KeyPath, inner: unknown): unknown {
  if (part === undefined) return inner;
  if (typeof part === 'number') {
    const list: unknown[] = Array.isArray(value) ? [...value] : [];
    list[part] = replaced(list[part], rest, inner);
    return Array.from(list);
  }
  const fields: Record<string, unknown> =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  return { ...fields, [part]: replaced(fields[part], rest, inner) };
}
