import type { Profile } from '../profiles/profile.ts';
import { ENDPOINTS } from './routes.ts';

const RULES: Readonly<Record<Profile['assertionAudience'], string>> = {
  issuer:
    'aud must be the issuer as a single string; no address of an endpoint, no list (FAPI 2.0 section 5.3.2.1)',
  'issuer-or-endpoint':
    'aud must be, or hold, the issuer, the token endpoint or the endpoint of this request (RFC 7523 section 3)',
};

/** The addresses of this server, and the path of the request. */
export interface AudienceFacts {
  readonly issuer: string;
  readonly mtlsUrl: URL;
  readonly path: string;
}

/** Which rule of the profile the audience of a client assertion breaks. An endpoint has an address on each listener. */
export function findAudienceProblem(
  audience: unknown,
  { assertionAudience }: Profile,
  { issuer, mtlsUrl, path }: AudienceFacts,
): string | undefined {
  const at = (base: string | URL) => [ENDPOINTS.token, path].map((endpoint) => new URL(endpoint, base).href);
  const accepted: readonly unknown[] = [issuer, ...at(issuer), ...at(mtlsUrl)];
  const named: readonly unknown[] = Array.isArray(audience) ? audience : [audience];
  const isMeant =
    assertionAudience === 'issuer' ? audience === issuer : named.some((one) => accepted.includes(one));
  return isMeant ? undefined : RULES[assertionAudience];
}
