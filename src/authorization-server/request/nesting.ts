/** Deeper than any claim of a standard. The provider copies claims level by level, and a stack ends. */
const MAX_DEPTH = 16;

export const NESTING_RULE = `must not be nested deeper than ${MAX_DEPTH} levels`;

/** Whether header or payload of a JWT in compact form is nested too deep. Text that is no JWT is refused elsewhere. */
export function isDeepJwt(jwt: string): boolean {
  const [header = '', payload = ''] = jwt.split('.', 2);
  return [header, payload].some((part) => isDeepJson(Buffer.from(part, 'base64url').toString()));
}

/** Counts brackets outside of strings, in one pass. Text that is no JSON is refused elsewhere. */
export function isDeepJson(json: string): boolean {
  let depth = 0;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"?|[[\]{}]/gs)) {
    if (token === '[' || token === '{') depth += 1;
    if (token === ']' || token === '}') depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}
