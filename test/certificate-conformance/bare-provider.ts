import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { join } from 'node:path';
import { createSigningKeys } from '../../src/authorization-server/signing/kept-keys.ts';
import { Provider } from '../../src/authorization-server/provider-internals.ts';
import type { PreparedFolder } from '../../src/certificate-conformance/folder/prepared-folder.ts';
import { freePort } from '../free-port.ts';
import type { CertificateFiles } from '../../src/sandbox/folder.ts';

/** A server under test. */
export interface TestedServer {
  readonly issuer?: string;
  readonly resource?: string;
  close(): Promise<void>;
}

/**
 * oidc-provider as its documentation shows it: its certificate features on, the CA of the TPPs trusted by Node's TLS, the
 * client's subject compared. No consent is asked: every authorization is granted at once.
 */
export async function startBareProvider(
  prepared: PreparedFolder,
  server: CertificateFiles,
): Promise<TestedServer> {
  const port = await freePort();
  const issuer = `https://localhost:${port}`;
  const clients = await Promise.all(
    ['tls', 'jwt', 'other', 'withdrawn'].map(async (name) =>
      JSON.parse(await readFile(join(prepared.folder, 'for-the-server', `register-${name}.json`), 'utf8')),
    ),
  );
  const subjects = new Map(
    (['tls', 'other', 'withdrawn'] as const).map((name) => [
      clients.find((one) => one.client_id === prepared.clientId(name))?.tls_client_auth_subject_dn,
      new X509Certificate(readFileSync(prepared.tppOf(name).certificateFile)).subject,
    ]),
  );
  const provider = new Provider(issuer, {
    clients,
    jwks: { keys: [...(await createSigningKeys()).keys] } as never,
    scopes: ['openid', 'accounts'],
    clientAuthMethods: ['tls_client_auth', 'private_key_jwt'],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    pkce: { required: () => true },
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client?.clientId,
        accountId: ctx.oidc.session?.accountId,
      });
      grant.addOIDCScope('openid accounts');
      grant.addResourceScope('https://api.bank.example', 'accounts');
      await grant.save();
      return grant;
    },
    findAccount: (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    interactions: { url: (_ctx, { uid }) => `/log-in/${uid}` },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      mTLS: {
        enabled: true,
        tlsClientAuth: true,
        certificateBoundAccessTokens: true,
        getCertificate: (ctx) => (ctx.socket as TLSSocket).getPeerX509Certificate(),
        certificateAuthorized: (ctx) => (ctx.socket as TLSSocket).authorized,
        certificateSubjectMatches: (ctx, _property, expected) =>
          (ctx.socket as TLSSocket).getPeerX509Certificate()?.subject === subjects.get(expected),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'https://api.bank.example',
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'accounts',
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/log-in/')) return next();
    await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: 'alice' } });
    ctx.respond = false;
  });
  const listener = createServer(
    {
      cert: readFileSync(server.certificateFile),
      key: readFileSync(server.keyFile),
      ca: readFileSync(join(prepared.folder, prepared.tester.rootFile)),
      requestCert: true,
      rejectUnauthorized: false,
    },
    provider.callback(),
  );
  listener.listen(port, '127.0.0.1');
  await once(listener, 'listening');
  return {
    issuer: `https://localhost:${(listener.address() as AddressInfo).port}`,
    close: async () => {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
