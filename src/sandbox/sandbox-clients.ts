import type { ConsentReference } from '../consent/details/consent-reference.ts';
import type { ResponseType } from '../authorization-server/profiles/profile.ts';
import type { SenderConstraint } from '../authorization-server/profiles/sender-constraint.ts';
import { organizationIdentifierOf, type TppPlan } from './pki/tpps.ts';

/** A client of a TPP, with the members of its registration. */
export interface SandboxClient {
  readonly client_id: string;
  readonly token_endpoint_auth_method: 'tls_client_auth' | 'private_key_jwt';
  readonly redirect_uris: readonly string[];
  readonly profile?: string;
  readonly response_types?: readonly ResponseType[];
  readonly sender_constraint?: SenderConstraint;
  /** The ways in which the client names an access. */
  readonly consent_references?: readonly ConsentReference[];
}

const METHODS = ['tls_client_auth', 'private_key_jwt'] as const;
/** In identifiers of clients. */
const SHORT = Object.freeze({ tls_client_auth: 'mtls', private_key_jwt: 'jwt' });
/** Members of the registration, by the end of the identifier. Without a choice a client of FAPI 1 has no hybrid flow. */
const VARIANTS: Readonly<
  Record<
    string,
    Pick<SandboxClient, 'profile' | 'response_types' | 'sender_constraint' | 'consent_references'>
  >
> = {
  'certificate-and-dpop': { sender_constraint: 'certificate-and-dpop' },
  dpop: { sender_constraint: 'dpop' },
  signing: { profile: 'fapi2-message-signing' },
  fapi1: { profile: 'fapi1-advanced', response_types: ['code id_token', 'code'] },
  rar: { consent_references: ['authorization_details'] },
  // Consents are named by the claim `openbanking_intent_id`.
  uk: { profile: 'uk-open-banking', response_types: ['code id_token', 'code'] },
};
const EVERY_ROLE = 3;

/** The identifier of a client, such as `money-one-jwt-dpop`. */
export function clientIdOf(
  { name }: TppPlan,
  method: SandboxClient['token_endpoint_auth_method'],
  ...more: readonly string[]
): string {
  return [name, SHORT[method], ...more].join('-');
}

/**
 * For an active TPP with every role: one client for each profile or sender constraint, and each way to authenticate; and
 * one of the Berlin Group, whose identifier is that of the certificate.
 */
export function moreClients(plan: TppPlan, redirectUris: readonly string[]): readonly SandboxClient[] {
  if (plan.status !== 'active' || plan.roles.length < EVERY_ROLE) return [];
  const variants = Object.entries(VARIANTS).flatMap(([suffix, members]) =>
    METHODS.map((method) => ({
      client_id: clientIdOf(plan, method, suffix),
      token_endpoint_auth_method: method,
      ...members,
      redirect_uris: redirectUris,
    })),
  );
  const berlin = {
    client_id: organizationIdentifierOf(plan),
    token_endpoint_auth_method: 'tls_client_auth',
    consent_references: ['berlin-group'],
    redirect_uris: redirectUris,
  } as const;
  return [...variants, berlin];
}

/** The client of a TPP whose identifier has this end. @throws TypeError when there is none */
export function clientNamed(
  { moreClients: clients }: { readonly moreClients: readonly SandboxClient[] },
  suffix: string,
): SandboxClient {
  const found = clients.find(({ client_id: id }) => id.endsWith(suffix));
  if (found === undefined) throw new TypeError(`there is no client ${suffix}`);
  return found;
}
