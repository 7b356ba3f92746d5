import type { JWK } from 'jose';
import { sameNca } from '../../../tpp-registry/nca.ts';
import type { NamedTpp } from '../../tpp/authorisation-status.ts';
import type { ProfileChoices } from '../profiles/client-rules.ts';
import type { ClientAuthMethod } from '../profiles/profile.ts';
import type { SubjectProperty } from '../../x509/certificate/subject-property.ts';

/** The registration of a client by the bank, in the names of RFC 7591. */
export interface RegisteredClient extends ProfileChoices {
  readonly client_id: string;
  readonly client_name: string;
  /** The organisation on whose behalf the service is offered, as customers know it (UK Directory). */
  readonly software_on_behalf_of_org?: string | undefined;
  /** The TPP that the client belongs to: its organizationIdentifier (TS 119 495 cl. 5.2.1) ... */
  readonly authorization_number: string;
  /** ... and the competent authority, where the identifier does not name it. */
  readonly nca?: string | undefined;
  readonly token_endpoint_auth_method: ClientAuthMethod;
  /** Public keys, of assertions and of request objects. */
  readonly jwks?: { readonly keys: readonly JWK[] } | undefined;
  /** The address of the keys, in place of `jwks`. */
  readonly jwks_uri?: string | undefined;
  readonly redirect_uris: readonly string[];
  readonly grant_types: readonly (
    | 'client_credentials'
    | 'authorization_code'
    | 'refresh_token'
    | typeof CIBA_GRANT
  )[];
  /** Space-separated. */
  readonly scope: string;
  /** For the grant of CIBA, which needs `jwks`: every request of a client is signed. */
  readonly backchannel_token_delivery_mode?: 'poll' | 'ping' | undefined;
  readonly backchannel_client_notification_endpoint?: string | undefined;
  readonly backchannel_authentication_request_signing_alg?: 'PS256' | 'ES256' | 'EdDSA' | undefined;
  readonly backchannel_user_code_parameter?: boolean | undefined;
  /** At most one narrows the client to one subject of its TPP's certificates (RFC 8705 §2.1.2). */
  readonly subject?: { readonly property: SubjectProperty; readonly value: string } | undefined;
}

/** The grant of OpenID CIBA (CIBA Core §4). */
export const CIBA_GRANT = 'urn:openid:params:grant-type:ciba';

/** A client as the bank registered it, or as the provider holds it with the same members. */
type AnyClient = RegisteredClient | Readonly<Record<string, unknown>>;

/** The TPP that a client is registered for. */
export function tppOf({ authorization_number: number, nca }: AnyClient): NamedTpp {
  return { authorizationNumber: String(number), nca: typeof nca === 'string' ? nca : undefined };
}

/** On whose behalf a client acts. */
export function agentOf({ software_on_behalf_of_org: agent }: AnyClient): string | undefined {
  return typeof agent === 'string' ? agent : undefined;
}

/**
 * Whether a client belongs to a TPP: same organization identifier and, where one is registered, same competent
 * authority (NCA). Two authorities may have given the same identifier.
 */
export function isClientOf(client: AnyClient, tpp: { authorizationNumber: string; nca: string }): boolean {
  const { authorizationNumber, nca } = tppOf(client);
  return authorizationNumber === tpp.authorizationNumber && (nca === undefined || sameNca(nca, tpp.nca));
}

/** Scopes of OpenID Connect; all others are the APIs'. */
export const OPENID_SCOPES: readonly string[] = ['openid', 'offline_access'];
