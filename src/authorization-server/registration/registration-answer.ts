import { epochSeconds } from '../../clock.ts';
import { CIBA_MEMBERS } from '../clients/ciba-registration.ts';
import type { ClientRecord } from '../clients/client-records.ts';
import { clientMetadata } from '../clients/client-metadata.ts';
import type { RegisteredClient } from '../clients/registered-client.ts';
import { findProfile, type Profiles } from '../profiles/profiles.ts';
import { isSigned, responseModesOf } from '../profiles/client-rules.ts';
import { isBoundToCertificate, isBoundToKey, SENDER_CONSTRAINTS } from '../profiles/sender-constraint.ts';
import { REGISTRATION_PATH } from '../request/routes.ts';

/** Where a client is managed (RFC 7592 §1.2). */
export function registrationUri(mtlsUrl: URL, clientId: string): string {
  return new URL(`${REGISTRATION_PATH}/${encodeURIComponent(clientId)}`, mtlsUrl).href;
}

export interface AnswerOptions {
  readonly profiles: Profiles;
  readonly mtlsUrl: URL;
  readonly accessToken: string;
}

/**
 * The registration as it is in force, with the values that the server has chosen (RFC 7591 §3.2.1, RFC 7592 §3). Each member
 * may be sent back in a change, but those of the server's own.
 */
export function registrationAnswer(record: ClientRecord, options: AnswerOptions): Record<string, unknown> {
  const { client, createdAt, status, registration } = record;
  const { profiles, mtlsUrl, accessToken } = options;
  return {
    ...registration?.statement,
    ...registeredMembers(client, profiles),
    client_id: client.client_id,
    client_id_issued_at: epochSeconds(new Date(createdAt)),
    registration_client_uri: registrationUri(mtlsUrl, client.client_id),
    registration_access_token: accessToken,
    ...(status === 'active' ? {} : { registration_status: status }),
  };
}

function registeredMembers(client: RegisteredClient, profiles: Profiles): Record<string, unknown> {
  const profile = findProfile(client, profiles);
  if (profile === undefined) return {};
  const inForce = clientMetadata(client, profiles);
  const redirects = client.grant_types.includes('authorization_code');
  const modes = responseModesOf(profile, client);
  const constraint = SENDER_CONSTRAINTS.find((one) => one === inForce.sender_constraint);
  return {
    client_name: client.client_name,
    token_endpoint_auth_method: client.token_endpoint_auth_method,
    grant_types: client.grant_types,
    scope: client.scope,
    profile: profile.name,
    ...(redirects
      ? {
          redirect_uris: client.redirect_uris,
          response_types: inForce.response_types,
          response_modes: modes,
          id_token_signed_response_alg: inForce.id_token_signed_response_alg,
        }
      : {}),
    ...(redirects && modes.some(isSigned)
      ? { authorization_signed_response_alg: inForce.authorization_signed_response_alg }
      : {}),
    require_pushed_authorization_requests: inForce.require_pushed_authorization_requests,
    require_signed_request_object: inForce.require_signed_request_object,
    tls_client_certificate_bound_access_tokens: constraint !== undefined && isBoundToCertificate(constraint),
    dpop_bound_access_tokens: constraint !== undefined && isBoundToKey(constraint),
    ...chosenMembers(client),
    ...(client.subject === undefined ? {} : { [client.subject.property]: client.subject.value }),
  };
}

const CHOSEN = [
  'jwks',
  'jwks_uri',
  'request_object_signing_alg',
  'introspection_signed_response_alg',
  'id_token_encrypted_response_alg',
  'id_token_encrypted_response_enc',
  'request_object_encryption_alg',
  'request_object_encryption_enc',
  'default_acr_values',
  ...CIBA_MEMBERS,
] as const;

function chosenMembers(client: RegisteredClient): Record<string, unknown> {
  return Object.fromEntries(
    CHOSEN.flatMap((name) => (client[name] === undefined ? [] : [[name, client[name]]])),
  );
}
