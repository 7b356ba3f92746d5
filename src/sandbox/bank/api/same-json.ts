import { isDeepStrictEqual } from 'node:util';

/** Whether two JSON values are the same, whatever the order of their members. */
export function sameJson(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(one, other);
}
