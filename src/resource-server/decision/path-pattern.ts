const CHARACTERS = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,=:@/]|%[0-9A-Fa-f]{2})*$/;
const UNUSUAL_SEGMENT = /\/\.{0,2}\/|\/\.{1,2}$/;
/** Characters that need no escape, and those that some software takes for a separator or an end. */
const NEVER_ESCAPED = /[A-Za-z0-9\-._~/\\;%?#\p{Cc}]/u;
const ACCOUNT = '{account}';

/** The path of a request target, without its query. */
export function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? '';
}

/**
 * One spelling of a path only: proxy, gateway and API may take `//`, `/../`, `%2e`, `%2F`, `;` or `\` each for
 * something else, and then the requirement of one address would guard another (RFC 3986 §6.2.2).
 */
export function isPlain(path: string): boolean {
  if (!CHARACTERS.test(path) || UNUSUAL_SEGMENT.test(path)) return false;
  const escapes = path.match(/%[0-9A-Fa-f]{2}/g) ?? [];
  return !escapes.some((code) => NEVER_ESCAPED.test(String.fromCharCode(Number.parseInt(code.slice(1), 16))));
}

/**
 * The expression of a pattern: `*` is one segment, `{account}` is one segment in the group `account`; `**` at the end is
 * everything below, and the place itself.
 *
 * @throws TypeError
 */
export function patternOf(path: string): RegExp {
  const isText = typeof path === 'string' && /^\/[A-Za-z0-9\-._~/*{}]*$/.test(path);
  if (!isText || path.slice(0, -2).includes('**')) {
    throw new TypeError(`the path of a route must be plain, not ${JSON.stringify(path)}`);
  }
  const isOpen = path.endsWith('/**');
  const names = (isOpen ? path.slice(0, -'/**'.length) : path).split('/');
  if (names.filter((name) => name === ACCOUNT).length > 1) {
    throw new TypeError(`${ACCOUNT} must not be there twice: ${path}`);
  }
  const segments = names.map((segment) => {
    if (segment === '*') return '[^/]+';
    if (segment === ACCOUNT) return '(?<account>[^/]+)';
    if (/[*{}]/.test(segment)) throw new TypeError(`* and ${ACCOUNT} must be a whole segment: ${path}`);
    return segment.replaceAll(/[.~-]/g, '\\$&');
  });
  return new RegExp(`^${segments.join('/')}${isOpen ? '(?:/.*)?' : ''}$`);
}

/** Whether a pattern names an account. */
export function namesAccount(path: string): boolean {
  return path.split('/').includes(ACCOUNT);
}

/** The account that a path names, decoded; undefined when the path is in no plain form or names none. */
export function accountIn(pattern: RegExp, url: string): string | undefined {
  const path = pathOf(url);
  const account = isPlain(path) ? pattern.exec(path)?.groups?.account : undefined;
  return account === undefined ? undefined : decoded(account);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
