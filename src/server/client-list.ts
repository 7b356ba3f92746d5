import { extname } from 'node:path';
import { z } from 'zod';
import { isDeliveryMode } from '../authorization-server/clients/ciba-registration.ts';
import type { RegisteredClient } from '../authorization-server/clients/registered-client.ts';
import { profilesNamed } from '../authorization-server/profiles/profiles.ts';
import { type ClientEntry, clientSchema, findRuleProblems } from '../configuration/client-schema.ts';
import { withClientName } from '../configuration/yaml-document.ts';
import { subjectsOf } from '../configuration/subject-schema.ts';
import { invalidConfig } from '../errors.ts';
import type { ListReader } from '../files/list-reader.ts';
import { ListDocument } from '../../tpp-registry/list-document.ts';

const clientsFrame = z.strictObject({ clients: z.array(z.unknown()) });
/** Of YAML: a list may share a key set among its clients. */
const MAX_ALIASES = 20;

/** Reads a file of clients, by identifier. It must not name the clients of the configuration (`configuredIds`). */
export const clientListReader: ListReader = {
  // The module's file ends as this one does: .ts from source, .js when built.
  worker: new URL(`./client-list-worker${extname(import.meta.url)}`, import.meta.url),
  read: (content, source, add) => {
    const invalid: ConstructorParameters<typeof ListDocument>[1]['invalid'] = (problems) =>
      invalidConfig(source.file, problems);
    const document = new ListDocument(content, { list: 'clients', maxAliases: MAX_ALIASES, invalid });
    for (const { path, message } of clientsFrame.safeParse(document.frame).error?.issues ?? []) {
      document.note(path, message);
    }
    const { configuredIds = [], apiScopes = [], profiles: names = [] } = source.facts ?? {};
    const { senderConstraints = [], acrValues = [], deliveryModes = [] } = source.facts ?? {};
    const rules = {
      apiScopes,
      acrValues,
      profiles: profilesNamed(names, senderConstraints),
      deliveryModes: deliveryModes.filter(isDeliveryMode),
    };
    const places = new Map(configuredIds.map((id) => [id, 'the configuration']));
    let at = -1;
    for (const entry of document.entries()) {
      at += 1;
      const note = (path: readonly PropertyKey[], message: string) =>
        document.note(['clients', at, ...path], withClientName(message, entry));
      const { data, error } = clientSchema.safeParse(entry);
      for (const { path, message } of error?.issues ?? []) note(path, message);
      if (data === undefined) continue;
      const place = places.get(data.client_id);
      if (place === undefined) places.set(data.client_id, `clients[${at}]`);
      else note(['client_id'], `is also in ${place}`);
      for (const { path, message } of findRuleProblems(data, rules)) note([path], message);
      add(data.client_id, registeredClient(data));
    }
    document.assertSound();
  },
  invalid: (problems, { file }, cause) => invalidConfig(file, problems, cause),
};

/** The registration that an entry describes. */
export function registeredClient(client: ClientEntry): RegisteredClient {
  return {
    client_id: client.client_id,
    client_name: client.client_name,
    authorization_number: client.authorization_number,
    token_endpoint_auth_method: client.token_endpoint_auth_method,
    redirect_uris: client.redirect_uris,
    grant_types: client.grant_types,
    scope: client.scope,
    nca: client.nca,
    jwks: client.jwks,
    profile: client.profile,
    response_types: client.response_types,
    response_modes: client.response_modes,
    require_pushed_authorization_requests: client.require_pushed_authorization_requests,
    require_signed_request_object: client.require_signed_request_object,
    request_object_signing_alg: client.request_object_signing_alg,
    id_token_signed_response_alg: client.id_token_signed_response_alg,
    authorization_signed_response_alg: client.authorization_signed_response_alg,
    introspection_signed_response_alg: client.introspection_signed_response_alg,
    id_token_encrypted_response_alg: client.id_token_encrypted_response_alg,
    id_token_encrypted_response_enc: client.id_token_encrypted_response_enc,
    request_object_encryption_alg: client.request_object_encryption_alg,
    request_object_encryption_enc: client.request_object_encryption_enc,
    sender_constraint: client.sender_constraint,
    default_acr_values: client.default_acr_values,
    backchannel_token_delivery_mode: client.backchannel_token_delivery_mode,
    backchannel_client_notification_endpoint: client.backchannel_client_notification_endpoint,
    backchannel_authentication_request_signing_alg: client.backchannel_authentication_request_signing_alg,
    backchannel_user_code_parameter: client.backchannel_user_code_parameter,
    subject: subjectsOf(client)[0],
  };
}
