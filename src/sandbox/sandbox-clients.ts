import type { SenderConstraint } from '../authorization-server/profiles/sender-constraint.ts';
import type { TppPlan } from './pki/tpps.ts';

/** A client of a TPP, with the members of its registration. */
export interface SandboxClient {
  readonly client_id: string;
  readonly token_endpoint_auth_method: 'tls_client_auth' | 'private_key_jwt';
  readonly redirect_uris: readonly string[];
  readonly sender_constraint?: SenderConstraint;
}

const METHODS = ['tls_client_auth', 'private_key_jwt'] as const;
/** In identifiers of clients. */
const SHORT = Object.freeze({ tls_client_auth: 'mtls', private_key_jwt: 'jwt' });
const EVERY_ROLE = 3;

/** The identifier of a client, such as `money-one-jwt-dpop`. */
export function clientIdOf(
  { name }: TppPlan,
  method: SandboxClient['token_endpoint_auth_method'],
  ...more: readonly string[]
): string {
  return [name, SHORT[method], ...more].join('-');
}

/** One client for each way to authenticate and to be bound to a DPoP key, for an active TPP with every role. */
export function moreClients(plan: TppPlan, redirectUris: readonly string[]): readonly SandboxClient[] {
  if (plan.status !== 'active' || plan.roles.length < EVERY_ROLE) return [];
  return (['certificate-and-dpop', 'dpop'] as const).flatMap((constraint) =>
    METHODS.map((method) => ({
      client_id: clientIdOf(plan, method, constraint),
      token_endpoint_auth_method: method,
      sender_constraint: constraint,
      redirect_uris: redirectUris,
    })),
  );
}
