import { z } from 'zod';
import { canonicalNca } from '../../tpp-registry/index.ts';
import { findRedirectUriProblem } from '../authorization-server/clients/redirect-uri.ts';
import { OPENID_SCOPES } from '../authorization-server/clients/registered-client.ts';
import { PROFILES } from '../authorization-server/profiles/profiles.ts';
import { isRefusal, type Problem } from '../errors.ts';
import { parseOrganizationIdentifier } from '../tpp/organization-identifier.ts';
import { findJwkProblem } from '../x509/certificate/public-jwk.ts';
import { subjectFields, subjectsOf } from './subject-schema.ts';

const CODE_GRANT = 'authorization_code';
const [{ clientAlgorithms: ALGORITHMS }] = PROFILES;
const SUBJECT =
  'Narrows the client to one subject of the certificates of its TPP; one of the five at most (RFC 8705 §2.1.2).';

const publicJwk = z
  .looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']), kid: z.string().min(1).max(256) })
  .superRefine((jwk, context) => {
    const problem = findMemberProblem(jwk) ?? findJwkProblem(jwk) ?? findAlgorithmProblem(jwk);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

/** Which optional member is not of its type (RFC 7517 §4). */
function findMemberProblem(jwk: Readonly<Record<string, unknown>>): string | undefined {
  const isText = (value: unknown) => typeof value === 'string' && value !== '';
  const wrong = ['alg', 'use'].find((name) => jwk[name] !== undefined && !isText(jwk[name]));
  if (wrong !== undefined) return `must have a text as "${wrong}"`;
  if (jwk.x5c === undefined || (Array.isArray(jwk.x5c) && jwk.x5c.every(isText))) return undefined;
  return 'must have a list of texts as "x5c"';
}

/** Algorithms for which a key of these members is good (RFC 7518 §3.1, RFC 8037 §3.1). */
function algorithmsOf({ kty, crv }: Readonly<Record<string, unknown>>): readonly string[] {
  const fitting = kty === 'RSA' ? 'PS256' : { 'P-256': 'ES256', Ed25519: 'EdDSA' }[String(crv)];
  return ALGORITHMS.filter((algorithm) => algorithm === fitting);
}

/** Why no assertion of this key can ever be accepted. Keys for encryption are not looked at. */
function findAlgorithmProblem(jwk: Readonly<Record<string, unknown>>): string | undefined {
  if (jwk.use === 'enc') return undefined;
  const allowed = ALGORITHMS.join(', ');
  const fitting = algorithmsOf(jwk);
  if (fitting.length === 0) return `is of a curve without an algorithm for clients (${allowed})`;
  if (jwk.use !== undefined && jwk.use !== 'sig')
    return 'has a use that is neither sig nor enc (RFC 7517 §4.2)';
  if (jwk.alg === undefined || fitting.includes(String(jwk.alg))) return undefined;
  return `has an alg that clients may not sign with, or that is not of its type: ${fitting.join(' or ')} is`;
}

const identifier = z.string().superRefine((text, context) => {
  try {
    parseOrganizationIdentifier(text);
  } catch (error) {
    if (!isRefusal(error, 'ERR_TPP_IDENTIFIER_INVALID')) throw error;
    context.addIssue({ code: 'custom', message: error.details.problem });
  }
});

const redirectUri = z.string().superRefine((text, context) => {
  const message = findRedirectUriProblem(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

const authority = z
  .string()
  .refine((text) => canonicalNca(text) !== undefined, { error: 'is no known competent authority' });

/**
 * A registered client, in the names of RFC 7591: an entry of `clients`, in the configuration or in a file. The provider accepts
 * the metadata of every client that this schema accepts: it sees a client when the client is used first.
 */
export const clientSchema = z
  .strictObject({
    client_id: z.string().regex(/^[\x20-\x7e]{1,128}$/, 'must be 1 to 128 printable ASCII characters'),
    client_name: z.string().min(1).max(140),
    authorization_number: identifier,
    nca: authority.optional(),
    token_endpoint_auth_method: z.enum(['tls_client_auth', 'private_key_jwt']),
    jwks: z.strictObject({ keys: z.array(publicJwk).min(1).max(20) }).optional(),
    redirect_uris: z.array(redirectUri).default([]),
    grant_types: z.array(z.enum(['client_credentials', CODE_GRANT, 'refresh_token'])).min(1),
    scope: z.string(),
    id_token_signed_response_alg: z.enum(['ES256', 'PS256']).optional(),
    ...subjectFields(SUBJECT, 'The same.'),
  })
  .superRefine((value, context) => {
    const fault = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const [, second] = subjectsOf(value);
    if (value.token_endpoint_auth_method === 'private_key_jwt' && value.jwks === undefined) {
      fault('jwks', 'is required for private_key_jwt');
    }
    if (value.grant_types.includes(CODE_GRANT) && value.redirect_uris.length === 0) {
      fault('redirect_uris', 'at least one is required for authorization_code');
    }
    if (value.nca === undefined && !/^PSD[A-Z]{2}-/.test(value.authorization_number)) {
      fault('nca', 'is required: the authorization_number does not name its authority');
    }
    const kids = value.jwks?.keys.map(({ kid }) => kid) ?? [];
    if (new Set(kids).size !== kids.length) fault('jwks', 'has two keys of one kid (FAPI 2.0 §5.4.3)');
    if (second !== undefined)
      fault(second.property, 'only one tls_client_auth_* may be set (RFC 8705 §2.1.2)');
  });

/** A client as the file has it. */
export type ClientEntry = z.infer<typeof clientSchema>;

/** Problems between clients and with the APIs: an identifier twice, a scope that no API has. */
export function findClientProblems(
  clients: readonly ClientEntry[],
  apiScopes: readonly string[],
): readonly Problem[] {
  const seen = new Set<string>();
  return clients.flatMap(({ client_id: id, scope }) => {
    const doubled = seen.has(id) ? [{ path: 'clients', message: `client_id twice: ${id}` }] : [];
    seen.add(id);
    const problem = findScopeProblem(scope, apiScopes);
    return problem === undefined ? doubled : [...doubled, { path: 'clients', message: `${id} ${problem}` }];
  });
}

/** Which scopes of a client no API has. */
export function findScopeProblem(scope: string, apiScopes: readonly string[]): string | undefined {
  const unknown = scope
    .split(' ')
    .filter((one) => one !== '' && !OPENID_SCOPES.includes(one) && !apiScopes.includes(one));
  return unknown.length === 0 ? undefined : `has scopes that are not in apiScopes: ${unknown.join(' ')}`;
}
