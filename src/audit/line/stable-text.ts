/** Characters that steer a terminal or the direction of text; JSON itself escapes only those below U+0020. */
const STEERING = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/**
 * JSON with the members of each object in the order of their names, as in RFC 8785: one value has one text. Unlike
 * there, characters that steer a terminal are escaped.
 */
export function stableText(value: unknown): string {
  return safeText(sorted(value));
}

/** JSON without characters that steer a terminal. */
export function safeText(value: unknown): string {
  return JSON.stringify(value).replace(STEERING, escaped);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const members = value as Readonly<Record<string, unknown>>;
  const inOrder: Record<string, unknown> = {};
  for (const name of Object.keys(members).sort()) inOrder[name] = sorted(members[name]);
  return inOrder;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
