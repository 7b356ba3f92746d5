import { cdrAu } from './cdr-au.ts';
import { fapi1Advanced } from './fapi1-advanced.ts';
import { fapi2MessageSigning } from './fapi2-message-signing.ts';
import { fapi2Security } from './fapi2-security.ts';
import { openFinanceBrasil } from './open-finance-brasil.ts';
import { ukOpenBanking } from './uk-open-banking.ts';
import { SENDER_CONSTRAINTS, type SenderConstraint } from './sender-constraint.ts';
import type { ClientAuthMethod, Profile, ResponseMode } from './profile.ts';

/** Profiles that a server allows. The first is that of a client without another. */
export type Profiles = readonly [Profile, ...Profile[]];

/** Every profile of this program. The first is the default. */
export const PROFILES: Profiles = Object.freeze([
  fapi2Security,
  fapi2MessageSigning,
  fapi1Advanced,
  ukOpenBanking,
  openFinanceBrasil,
  cdrAu,
] as const);

const SELF_SIGNED: ClientAuthMethod = 'self_signed_tls_client_auth';

export const PROFILE_NAMES: readonly string[] = Object.freeze(PROFILES.map(({ name }) => name));

/**
 * The profiles of a configuration, the default first, each with the sender constraints that the bank allows, the default
 * first too, and without self-signed certificates where the bank does not accept them.
 *
 * @throws TypeError for a name that no profile has
 */
export function profilesNamed(
  [first, ...others]: readonly string[],
  senderConstraints: readonly string[] = SENDER_CONSTRAINTS,
  acceptsSelfSigned = false,
): Profiles {
  const named = (wanted: string | undefined): Profile => {
    const profile = PROFILES.find(({ name }) => name === wanted);
    if (profile === undefined) throw new TypeError(`there is no profile ${wanted}`);
    const ofBoth = senderConstraints.filter((one) => profile.senderConstraints.some((own) => own === one));
    return Object.freeze({
      ...profile,
      senderConstraints: Object.freeze(ofBoth as SenderConstraint[]),
      clientAuthMethods: acceptsSelfSigned ? profile.clientAuthMethods : certifiedMethods(profile),
    });
  };
  return Object.freeze([named(first), ...others.map(named)] as const);
}

/** The ways of client authentication for which a CA vouches, or a registered key. */
function certifiedMethods({ clientAuthMethods: [first, ...others] }: Profile): Profile['clientAuthMethods'] {
  return Object.freeze([first, ...others.filter((one) => one !== SELF_SIGNED)] as const);
}

/** Whether clients may authenticate by a self-signed certificate (RFC 8705 §2.2). */
export function acceptsSelfSigned(profiles: Profiles): boolean {
  return profiles.some(({ clientAuthMethods }) => clientAuthMethods.includes(SELF_SIGNED));
}

/** The profile that a registration names; undefined when the server does not allow it. */
export function findProfile(
  { profile: wanted }: { readonly profile?: string | undefined },
  profiles: Profiles,
): Profile | undefined {
  return wanted === undefined ? profiles[0] : profiles.find(({ name }) => name === wanted);
}

/** The profile of a client of the provider; the first while the client of a request is not known yet. */
export function profileOf(
  client: Readonly<Record<string, unknown>> | undefined,
  profiles: Profiles,
): Profile {
  return profiles.find(({ name }) => name === client?.profile) ?? profiles[0];
}

/** Whether a refresh gives the client another refresh token. */
export function rotatesRefreshTokens(
  {
    profiles,
    rotatesRefreshTokens: always,
  }: { readonly profiles: Profiles; readonly rotatesRefreshTokens: boolean },
  client: Readonly<Record<string, unknown>> | undefined,
): boolean {
  const { market, rotatesRefreshTokens: rotates } = profileOf(client, profiles);
  return market?.keepsRefreshTokens !== true && (always || rotates);
}

/** Authentication contexts of markets. */
export function marketAcrValues(profiles: Profiles): readonly string[] {
  return union(profiles, ({ market }) => market?.acrValues ?? []);
}

/** Every response mode that a client may ask for. */
export function responseModes(profiles: Profiles): readonly ResponseMode[] {
  return union(profiles, ({ responseModes: modes }) => Object.values(modes).flat());
}

/** The values that any profile has, each once. */
export function union<T>(profiles: Profiles, of: (profile: Profile) => T | readonly T[]): T[] {
  return [...new Set(profiles.flatMap(of))];
}
