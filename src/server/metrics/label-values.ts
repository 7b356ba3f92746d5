import { isRefusal } from '../../errors.ts';
import type { EventFields } from '../../events.ts';

/** The value of a label whose real value is unknown, too long or one too many. */
export const OTHER = 'other';

/** Names of labels in the style of Prometheus, where they differ from the field of the event. */
const NAMES: Readonly<Partial<Record<keyof EventFields, string>>> = {
  error: 'code',
  grantType: 'grant_type',
  authorizationNumber: 'tpp',
};

/** Values of fields that a stranger chooses or could choose. */
const KNOWN: Readonly<Partial<Record<keyof EventFields, ReadonlySet<string>>>> = {
  listener: new Set(['front', 'mtls', 'bank', 'health', 'management', 'gateway', 'resource']),
  method: new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']),
  grantType: new Set([
    'authorization_code',
    'client_credentials',
    'refresh_token',
    'urn:openid:params:grant-type:ciba',
  ]),
};
const PLAIN = /^[\w.:/ -]{1,64}$/;

/** The name of the label of a field. */
export function labelName(field: keyof EventFields): string {
  return NAMES[field] ?? field;
}

/** The value of the label of a field: a value of a closed list, or at least a short plain one (threats.md O3). */
export function labelValue(field: keyof EventFields, value: EventFields[keyof EventFields]): string {
  if (field === 'error')
    return value === undefined ? 'none' : isRefusal(value) ? value.code : 'ERR_UNEXPECTED';
  if (value === undefined) return 'none';
  const text = String(value);
  return KNOWN[field]?.has(text) === false || !PLAIN.test(text) ? OTHER : text;
}
