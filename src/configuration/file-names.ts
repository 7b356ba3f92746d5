import { resolve } from 'node:path';

/** The fields of a configuration that name a file or a folder. */
const FILE_FIELD = /^(file|folder|aspspModule)$|File$/;

/** The same value with every file name absolute; in the configuration, names are relative to its folder. */
export function withAbsoluteFiles<T>(value: T, folder: string): T {
  const absolute = (inner: unknown, field: string): unknown => {
    if (typeof inner === 'string') return FILE_FIELD.test(field) ? resolve(folder, inner) : inner;
    if (Array.isArray(inner)) return inner.map((one) => absolute(one, ''));
    if (typeof inner !== 'object' || inner === null) return inner;
    return Object.fromEntries(Object.entries(inner).map(([name, one]) => [name, absolute(one, name)]));
  };
  return absolute(value, '') as T;
}
