import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { createSigningKeys } from '../../../src/authorization-server/signing/kept-keys.ts';
import { Provider } from '../../../src/authorization-server/provider-internals.ts';

// oidc-provider as it comes, with its in-memory adapter: the measure that our server is held against.
const [, , text = ''] = process.argv;
const options = JSON.parse(text) as {
  readonly port: number;
  readonly issuer: string;
  readonly clientId: string;
  readonly subject: string;
  readonly format: 'jwt' | 'opaque';
  /** Whether anyone may register clients. */
  readonly registers: boolean;
  readonly caFiles: readonly string[];
  readonly certificateFile: string;
  readonly keyFile: string;
};

const provider = new Provider(options.issuer, {
  clients: [
    {
      client_id: options.clientId,
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_subject_dn: options.subject,
      tls_client_certificate_bound_access_tokens: true,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      scope: 'accounts',
    },
  ],
  jwks: { keys: [...(await createSigningKeys()).keys] } as never,
  scopes: ['accounts'],
  clientAuthMethods: ['tls_client_auth'],
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    registration: { enabled: options.registers },
    mTLS: {
      enabled: true,
      tlsClientAuth: true,
      certificateBoundAccessTokens: true,
      getCertificate: (ctx) => (ctx.socket as TLSSocket).getPeerX509Certificate(),
      certificateAuthorized: (ctx) => (ctx.socket as TLSSocket).authorized,
      certificateSubjectMatches: (ctx, _property, expected) =>
        (ctx.socket as TLSSocket).getPeerX509Certificate()?.subject === expected,
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'https://api.bank.example',
      getResourceServerInfo: () => ({
        scope: 'accounts',
        accessTokenTTL: 600,
        accessTokenFormat: options.format,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  ttl: { ClientCredentials: 600 },
});
createServer(
  {
    cert: readFileSync(options.certificateFile),
    key: readFileSync(options.keyFile),
    ca: options.caFiles.map((file) => readFileSync(file)),
    requestCert: true,
    rejectUnauthorized: false,
  },
  provider.callback(),
).listen(options.port, '127.0.0.1');
