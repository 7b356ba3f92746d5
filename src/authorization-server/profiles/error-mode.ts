import type { ResponseMode, ResponseType } from './profile.ts';
import { profileOf, type Profiles } from './profiles.ts';

/**
 * The response mode in which an error goes to a client: the one that its request asks for if the client may have it. An
 * error takes the fragment where the request asks for another plain mode, also by naming none: no answer goes into the
 * query for a response type that forbids it (OAuth 2.0 Multiple Response Types §5). Every other error takes the first
 * mode of the client, also that of a pushed request that is not there any more: parameters beside its URI do not count.
 */
export function errorMode(
  client: Readonly<Record<string, unknown>>,
  { response_type: type, response_mode: mode, request_uri: uri }: Readonly<Record<string, unknown>>,
  profiles: Profiles,
): string | undefined {
  const profile = profileOf(client, profiles);
  const registered: readonly unknown[] = Array.isArray(client.responseModes) ? client.responseModes : [];
  const key = typeof type === 'string' ? type.split(' ').toSorted().join(' ') : '';
  const ofType = profile.responseModes[key as ResponseType]?.filter((one) => registered.includes(one)) ?? [];
  const allowed: readonly unknown[] = ofType.length > 0 ? ofType : registered;
  if (uri !== undefined) return registered[0] as string | undefined;
  const chosen = mode ?? defaultMode(key);
  if (allowed.includes(chosen)) return mode as string | undefined;
  const isPlain = chosen === 'query' || chosen === 'fragment';
  return isPlain ? 'fragment' : (allowed[0] as string | undefined);
}

/** As the provider chooses where a request names no mode. */
function defaultMode(type: string): ResponseMode {
  return type.includes('token') ? 'fragment' : 'query';
}
