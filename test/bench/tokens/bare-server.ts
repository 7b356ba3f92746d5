import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { ClientMetadata } from 'oidc-provider';
// @ts-expect-error: a file of the package that its types leave out
import { setStorage } from 'oidc-provider/lib/adapters/memory_adapter.js';
import { createSigningKeys } from '../../../src/authorization-server/signing/kept-keys.ts';
import { Provider } from '../../../src/authorization-server/provider-internals.ts';

export interface BareOptions {
  readonly port: number;
  readonly issuer: string;
  readonly resource: string;
  readonly clients: readonly ClientMetadata[];
  readonly format: 'jwt' | 'opaque';
  /** Whether anyone may register clients. */
  readonly registers: boolean;
  readonly caFiles: readonly string[];
  readonly certificateFile: string;
  readonly keyFile: string;
}

/*
 * oidc-provider as it comes: the measure that our server is held against. Its in-memory adapter keeps everything, in a
 * Map: the cache that it has otherwise forgets a token after some 1,000 others. It checks no certificate beyond the
 * name, and writes no log.
 */
const [, , text = ''] = process.argv;
const options = JSON.parse(text) as BareOptions;
setStorage(new Map());

const features = {
  clientCredentials: { enabled: true },
  introspection: { enabled: true },
  revocation: { enabled: true },
  pushedAuthorizationRequests: { enabled: true },
  registration: { enabled: options.registers },
};
const provider = new Provider(options.issuer, {
  clients: [...options.clients],
  jwks: { keys: [...(await createSigningKeys()).keys] } as never,
  scopes: ['openid', 'accounts'],
  clientAuthMethods: ['tls_client_auth', 'private_key_jwt'],
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  enabledJWA: { clientAuthSigningAlgValues: ['ES256'] },
  pkce: { required: () => true },
  cookies: { keys: ['bare'] },
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  // The paths of our server.
  routes: {
    authorization: '/authorize',
    pushed_authorization_request: '/par',
    introspection: '/introspect',
    revocation: '/revoke',
    registration: '/register',
  },
  features: {
    ...features,
    // Its own pages: one takes any name and password, the next asks for consent.
    devInteractions: { enabled: true },
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
      defaultResource: () => options.resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'accounts',
        accessTokenTTL: 600,
        accessTokenFormat: options.format,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  ttl: {
    ...{ ClientCredentials: 600, AccessToken: 600, RefreshToken: 86_400, Grant: 86_400 },
    ...{ Session: 3600, Interaction: 600, IdToken: 600 },
  },
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
