/**
 * Why a redirect URI cannot be registered; undefined for one that can. https only, also for loopback (FAPI 2.0 §5.3.2.2),
 * without a fragment (RFC 6749 §3.1.2), and compared to the letter, so that a wildcard would match nothing.
 */
export function findRedirectUriProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) return 'must be a URL';
  if (!/^https:\/\//i.test(text)) return 'must be an https URL, also for loopback (FAPI 2.0 §5.3.2.2)';
  if (text.includes('#')) return 'must not have a fragment (RFC 6749 §3.1.2)';
  // Empty ones too, which a parsed URL does not show.
  if (/^[^/]*\/\/[^/?#]*@/.test(text)) return 'must not have a user name or a password';
  if (text.includes('*')) return 'must not have a wildcard: redirect URIs are compared to the letter';
  if (/[^\x21-\x7e]|["<>\\^`{|}]/.test(text)) return 'must have the characters of a URI only (RFC 3986 §2)';
  return undefined;
}

const MAX_ADDRESS_LENGTH = 512;

/** Why keys cannot be read from an address; undefined for one that can be. Whether it may be reached is seen when it is read. */
export function findKeysAddressProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || text.length > MAX_ADDRESS_LENGTH)
    return `must be a URL of at most ${MAX_ADDRESS_LENGTH} characters`;
  if (url.protocol !== 'https:') return 'must be an https URL';
  if (url.hash !== '' || text.includes('#')) return 'must not have a fragment';
  if (url.username !== '' || url.password !== '') return 'must not have a user name or a password';
  return undefined;
}
