import { hash } from 'node:crypto';

/** SHA-256 over a JSON value as RFC 8785 writes it, in base64url. */
export function canonicalHash(value: unknown): string {
  return hash('sha256', canonicalJson(value), 'base64url');
}

/** JSON with sorted members and without spaces (RFC 8785): numbers and strings follow the rules of ECMAScript. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  const sorted = members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
}
