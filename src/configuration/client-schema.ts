import { z } from 'zod';
import type { Problem } from '../errors.ts';
import { findJwkProblem } from '../x509/certificate/public-jwk.ts';

const CODE_GRANT = 'authorization_code';

const subjectProperties = {
  tls_client_auth_subject_dn: z.string().min(1).optional(),
  tls_client_auth_san_dns: z.string().min(1).optional(),
  tls_client_auth_san_uri: z.string().min(1).optional(),
  tls_client_auth_san_ip: z.string().min(1).optional(),
  tls_client_auth_san_email: z.string().min(1).optional(),
};

const publicJwk = z
  .looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']), kid: z.string().min(1) })
  .superRefine((jwk, context) => {
    const problem = findJwkProblem(jwk);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

/** A registered client, in the names of RFC 7591: an entry of `clients`, in the configuration or in a file. */
export const clientSchema = z
  .strictObject({
    client_id: z.string().regex(/^[\x20-\x7e]{1,128}$/, 'must be 1 to 128 printable ASCII characters'),
    client_name: z.string().min(1).max(140),
    authorization_number: z.string().min(3),
    nca: z.string().optional(),
    token_endpoint_auth_method: z.enum(['tls_client_auth', 'private_key_jwt']),
    jwks: z.strictObject({ keys: z.array(publicJwk).min(1).max(20) }).optional(),
    redirect_uris: z
      .array(z.url().refine((text) => !text.includes('#'), { error: 'must not have a fragment' }))
      .default([]),
    grant_types: z.array(z.enum(['client_credentials', CODE_GRANT, 'refresh_token'])).min(1),
    scope: z.string(),
    id_token_signed_response_alg: z.enum(['ES256', 'PS256']).optional(),
    ...subjectProperties,
  })
  .superRefine((value, context) => {
    const fault = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const subjects = Object.keys(subjectProperties).filter((name) => name in value);
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
    if (subjects.length > 1)
      fault(subjects[1] ?? '', 'only one tls_client_auth_* may be set (RFC 8705 §2.1.2)');
  });

/** A client as the file has it. */
export type ClientEntry = z.infer<typeof clientSchema>;

/** The identifiers that occur twice. */
export function doubledClients(clients: readonly ClientEntry[]): Problem[] {
  const ids = clients.map((one) => one.client_id);
  const doubles = new Set(ids.filter((id, at) => ids.indexOf(id) !== at));
  return [...doubles].map((id) => ({ path: 'clients', message: `client_id twice: ${id}` }));
}
