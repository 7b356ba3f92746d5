import type { LayeredValue } from './layered-value.ts';
import type { KeyPath } from './schema-keys.ts';

/** One value of a configuration in effect, as it may be shown. */
export interface ShownValue {
  readonly path: KeyPath;
  readonly value: unknown;
  /** `default`, `tallystick.yaml:12`, or the variable that sets the value. */
  readonly origin: string;
}

export const REDACTED = '(redacted)';
/** Fields that hold a secret itself. The name of a file that holds one is no secret. */
const SECRET_FIELD = /(secret|password|passphrase|pin|token)$/i;

/** Every single value with its origin. Secrets are redacted, and so is each value that was read from a `_FILE`. */
export function shownValues(value: unknown, layered: LayeredValue, path: KeyPath = []): ShownValue[] {
  if (isWithParts(value)) {
    const parts: [string | number, unknown][] = Array.isArray(value)
      ? [...value.entries()]
      : Object.entries(value);
    return parts.flatMap(([part, inner]) => shownValues(inner, layered, [...path, part]));
  }
  const origin = layered.originOf(path) ?? 'default';
  return [{ path, value: redacted(value, path, origin), origin }];
}

function isWithParts(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return Object.keys(value).length > 0;
}

function redacted(value: unknown, path: KeyPath, origin: string): unknown {
  if (typeof value !== 'string') return value;
  if (SECRET_FIELD.test(String(path.at(-1))) || /_FILE \(/.test(origin)) return REDACTED;
  return value.replace(/^(\w+:\/\/)[^/?#]*@/, `$1${REDACTED}@`);
}
