import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { OpenBankingError, type Problem } from './errors.ts';

const httpsUrl = z.url({ protocol: /^https$/, error: 'must be an https URL' });
const origin = httpsUrl.refine(
  (text) => URL.canParse(text) && new URL(text).origin === text.replace(/\/$/, ''),
  {
    error: 'must be an https URL without a path',
  },
);
const file = z.string().min(1);
const port = z.int().min(0).max(65_535);
const seconds = z.int().positive();
const scopeToken = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be a scope token (RFC 6749 §3.3)');
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
  .refine((jwk) => !('d' in jwk), { error: 'must be a public key: it holds "d"' });

const client = z
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
    if (subjects.length > 1)
      fault(subjects[1] ?? '', 'only one tls_client_auth_* may be set (RFC 8705 §2.1.2)');
  });

/** The configuration file. Every field says what it means; README's table is made from this. */
export const configSchema = z.strictObject({
  issuer: origin.meta({
    description: 'Public URL of the front channel, and the issuer identifier (RFC 8414 §2).',
  }),
  mtlsUrl: origin.meta({ description: 'Public URL of the listener that asks for client certificates.' }),
  listen: z
    .strictObject({
      host: z.string().default('::').meta({ description: 'Address that both listeners bind.' }),
      front: port.default(8443).meta({ description: 'Port of the front channel.' }),
      mtls: port.default(8444).meta({ description: 'Port of the mTLS listener.' }),
      health: port.default(9000).meta({
        description: 'Port of `/health/live` and `/health/ready`: plain HTTP, on loopback only.',
      }),
    })
    .prefault({}),
  tls: z.strictObject({
    certificateFile: file.meta({
      description: 'PEM of the server certificate and its intermediates. The key must be RSA.',
    }),
    privateKeyFile: file.meta({ description: 'PEM of its private key.' }),
  }),
  storage: z.strictObject({
    file: file.meta({ description: 'The SQLite file; made when there is none.' }),
    secretFile: file.meta({
      description:
        '32 random bytes that key the hashes and seals in the store, and cookies; made when there is none.',
    }),
  }),
  signingKeysFile: file.meta({
    description: 'Private JSON Web Key Set with an ES256 key; made when there is none.',
  }),
  resource: z.url().meta({ description: 'Identifier of the account APIs: the audience of access tokens.' }),
  apiScopes: z
    .array(scopeToken)
    .default(['accounts', 'payments', 'fundsconfirmations'])
    .meta({ description: 'Scopes of the account APIs.' }),
  accessToken: z
    .strictObject({
      format: z.enum(['jwt', 'opaque']).default('jwt').meta({
        description: '`jwt` needs no call per request; `opaque` is known to the introspection endpoint only.',
      }),
      lifetimeSeconds: seconds.max(3600).default(600).meta({ description: 'Life of an access token.' }),
    })
    .prefault({}),
  consent: z
    .strictObject({
      lifetimeSeconds: seconds
        .default(180 * 86_400)
        .meta({ description: 'Life of a consent, its grant and refresh tokens (RTS article 10: 180 days).' }),
    })
    .prefault({}),
  trust: z
    .array(
      z.strictObject({
        profile: z.enum(['eu-qualified', 'uk-directory', 'own-ca']).meta({
          description: 'Which QCStatements and key usages a TPP certificate of these anchors must have.',
        }),
        anchorsFile: file.meta({ description: 'PEM of the trust anchors.' }),
        intermediatesFile: file
          .optional()
          .meta({ description: 'PEM of issuing CAs: TPPs often send their own certificate only.' }),
      }),
    )
    .min(1),
  registry: z.strictObject({
    file: file.meta({ description: 'The TPP registry, YAML or JSON; read again when it changes.' }),
    pollSeconds: seconds.default(5).meta({ description: 'How often the file is looked at.' }),
  }),
  hostCountry: z
    .string()
    .regex(/^[A-Z]{2}$/, 'must be two capital letters (ISO 3166-1)')
    .optional()
    .meta({
      description: "The bank's country. When set, TPPs of other countries must be passported into it.",
    }),
  aspspModule: file.optional().meta({
    description: 'JavaScript module whose export `createAspsp` plugs in the login and accounts of the bank.',
  }),
  logLevel: z
    .enum(['error', 'warn', 'info'])
    .default('info')
    .meta({ description: 'Least level that is logged.' }),
  clients: z.array(client).default([]).meta({ description: 'Registered clients, in the names of RFC 7591.' }),
});

/** The validated configuration; frozen. File names are absolute. */
export type Config = z.infer<typeof configSchema>;

/**
 * Reads a configuration file (YAML or JSON). File names in it are relative to its folder.
 *
 * @throws ERR_CONFIG_INVALID with every problem and its place
 */
export async function loadConfig(path: string): Promise<Config> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw invalid(path, [{ path: '', message: `cannot be read: ${error.code}` }]);
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      path: `line ${lines.linePos(error.pos[0]).line}`,
      message: error.message.split('\n')[0] ?? '',
    }));
    throw invalid(path, problems);
  }
  return parseConfig(document.toJS({ maxAliasCount: 20 }), { source: path, folder: dirname(resolve(path)) });
}

/**
 * Validates a configuration value and freezes it.
 *
 * @throws ERR_CONFIG_INVALID with every problem and its place
 */
export function parseConfig(
  value: unknown,
  from: { readonly source: string; readonly folder: string },
): Config {
  const result = configSchema.safeParse(value);
  if (!result.success) {
    const problems = result.error.issues.map((issue) => ({
      path: placeOf(issue.path),
      message: issue.message,
    }));
    throw invalid(from.source, problems);
  }
  const doubles = doubled(result.data.clients.map((one) => one.client_id));
  if (doubles.length > 0) {
    throw invalid(
      from.source,
      doubles.map((id) => ({ path: 'clients', message: `client_id twice: ${id}` })),
    );
  }
  return frozen(withAbsoluteFiles(result.data, from.folder));
}

function withAbsoluteFiles(config: Config, folder: string): Config {
  const at = (path: string) => (isAbsolute(path) ? path : resolve(folder, path));
  return {
    ...config,
    tls: { certificateFile: at(config.tls.certificateFile), privateKeyFile: at(config.tls.privateKeyFile) },
    storage: { file: at(config.storage.file), secretFile: at(config.storage.secretFile) },
    signingKeysFile: at(config.signingKeysFile),
    trust: config.trust.map((one) => ({
      ...one,
      anchorsFile: at(one.anchorsFile),
      ...(one.intermediatesFile === undefined ? {} : { intermediatesFile: at(one.intermediatesFile) }),
    })),
    registry: { ...config.registry, file: at(config.registry.file) },
    ...(config.aspspModule === undefined ? {} : { aspspModule: at(config.aspspModule) }),
  };
}

/** `clients[0].jwks`, as people write it. */
function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}

function doubled(ids: readonly string[]): string[] {
  return [...new Set(ids.filter((id, at) => ids.indexOf(id) !== at))];
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) frozen(inner);
  }
  return value;
}

function invalid(source: string, problems: readonly Problem[]): OpenBankingError<'ERR_CONFIG_INVALID'> {
  return new OpenBankingError('ERR_CONFIG_INVALID', { source, problems });
}
