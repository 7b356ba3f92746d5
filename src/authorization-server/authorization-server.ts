import { createHmac } from 'node:crypto';
import type { RequestListener } from 'node:http';
import type { Context } from 'koa';
import type { Clock } from '../clock.ts';
import type { ConsentRecords, GrantEnder } from '../consent/consent.ts';
import type { Log } from '../events.ts';
import type { ClientCertificateSource } from '../mutual-tls/client-certificate.ts';
import type { Store } from '../storage/store.ts';
import type { TppAuthenticator } from '../tpp/authenticate.ts';
import type { AuthorisationStatus } from '../tpp/authorisation-status.ts';
import { GrantRevocation } from './models/grant-revocation.ts';
import { createAdapterFactory, replayDetectionUnique } from './models/adapter.ts';
import type { Aspsp } from './customer/aspsp.ts';
import type { Clients } from './clients/clients.ts';
import { directClientCredentials } from './tokens/direct-client-credentials.ts';
import { discoveryOnBothListeners } from './discovery.ts';
import { edge, listenForFaults } from './request/edge.ts';
import { interactions } from './customer/interactions.ts';
import { createIssuedTokens, introspectForResourceServers } from './tokens/introspection.ts';
import { type ListenerName, listenerOf, noteListener } from './request/listener-name.ts';
import { findRefusal, oauthAnswer } from './request/oauth-error.ts';
import { createPages, pageHeaders } from './customer/pages/pages.ts';
import { createProvider } from './provider.ts';
import { createResourceServers, type RegisteredResourceServer } from './tokens/resource-servers.ts';
import { revokeStructuredTokens } from './tokens/revocation.ts';
import type { RevokedCertificates } from './token-status/revoked-certificates.ts';
import { ENDPOINTS, routesOf, STATUS_LIST_PATH, when } from './request/routes.ts';
import type { FollowedSigner } from './signing/signer.ts';
import { serveStatusLists } from './token-status/status-lists.ts';
import { isHolderAuthorised, type TokenHolder } from './token-status/token-holder.ts';
import { TokenStatus } from './token-status/token-status.ts';
import { tppGate } from './request/tpp-gate.ts';

export interface AuthorizationServerOptions {
  /** URL of the front channel; the issuer identifier (RFC 8414 §2). */
  readonly issuer: string;
  readonly mtlsUrl: URL;
  readonly clients: Clients;
  readonly resource: string;
  readonly apiScopes: readonly string[];
  readonly accessTokenFormat: 'jwt' | 'opaque';
  readonly accessTokenSeconds: number;
  readonly consentSeconds: number;
  readonly rotatesRefreshTokens?: boolean;
  readonly signer: FollowedSigner;
  /** Keys hashes, seals and cookies; 32 bytes. */
  readonly secret: Buffer;
  readonly store: Store;
  readonly consents: Pick<ConsentRecords, 'idOf' | 'create'>;
  readonly authorisationStatus: AuthorisationStatus;
  readonly authenticator: TppAuthenticator;
  /** Where the certificates of TPPs come from on the mTLS listener. */
  readonly clientCertificate: ClientCertificateSource;
  /** The bank's APIs that may introspect tokens. */
  readonly resourceServers: readonly RegisteredResourceServer[];
  readonly aspsp: Aspsp;
  /** How long one call of the bank may take. */
  readonly aspspCallSeconds: number;
  /** Whether this process knows that a certificate is revoked: its tokens end. Default: none is. */
  readonly isRevoked?: (certificate: TokenHolder['certificate']) => boolean;
  /** Certificates that other processes found revoked. */
  readonly revokedCertificates: Pick<RevokedCertificates, 'read'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** One handler for each listener; both lead to the same provider. */
export interface AuthorizationServer extends GrantEnder {
  readonly handlers: Readonly<Record<ListenerName, RequestListener>>;
}

/** Puts the rooms of this folder together: edge, routes, gate, provider, pages, token status. */
export function createAuthorizationServer(options: AuthorizationServerOptions): AuthorizationServer {
  const { store, secret, clock, log } = options;
  const tokenStatus = openTokenStatus(options);
  const grants = new GrantRevocation({ store, clock, secret, tokenStatus });
  const adapters = createAdapterFactory({ store, secret, clock, grants });
  const pages = createPages({ bankName: options.aspsp.name });
  const provider = createProvider({
    ...options,
    tokenStatus,
    adapter: (model) => (model === 'Client' ? options.clients.adapter() : adapters(model)),
    renderError: (ctx, _out, error) => {
      ctx.state.fault ??= error;
      const refusal = findRefusal(error);
      const answer = refusal === undefined ? undefined : oauthAnswer(refusal);
      const status = answer?.status ?? ctx.status;
      if (answer !== undefined) ctx.set(answer.headers);
      const { error_description: description } = error as { readonly error_description?: string };
      pages.error(ctx, { status, rule: refusal?.rule ?? (status < 500 ? description : undefined) });
    },
  });
  Object.assign(provider.ReplayDetection, {
    unique: replayDetectionUnique({ store, secret }),
  });
  listenForFaults(provider);

  const isOnFront = (ctx: Context) => listenerOf(ctx.req) === 'front';
  const onFront = pageHeaders({
    hasStrictTransportSecurity: new URL(options.issuer).hostname !== 'localhost',
  });
  provider.use(edge({ pages, log }));
  provider.use(when(isOnFront, onFront));
  provider.use(routesOf());
  const issuedTokens = createIssuedTokens({ signer: options.signer, issuer: options.issuer });
  const resourceServers = createResourceServers(options.resourceServers, clock);
  const introspect = introspectForResourceServers({
    ...options,
    provider,
    resourceServers,
    issuedTokens,
    tokenStatus,
  });
  const isForTpp = (ctx: Context) => ctx.state.isForTpp === true;
  provider.use(when(({ path }) => path === ENDPOINTS.introspection, introspect));
  provider.use(when(isForTpp, tppGate(options.authenticator, options.clientCertificate)));
  provider.use(when(({ path }) => path === ENDPOINTS.token, directClientCredentials(provider)));
  provider.use(when((ctx) => !isForTpp(ctx), discoveryOnBothListeners(options)));
  provider.use(when(({ path }) => path.startsWith(STATUS_LIST_PATH), serveStatusLists(tokenStatus.lists)));
  const revokeStructured = revokeStructuredTokens({ issuedTokens, tokenStatus });
  provider.use(when(({ path }) => path === ENDPOINTS.revocation, revokeStructured));
  const pagesOfPsu = interactions({
    ...options,
    provider,
    pages,
  });
  for (const middleware of pagesOfPsu) provider.use(when(isOnFront, middleware));

  const callback = provider.callback();
  const handlerOf =
    (name: ListenerName): RequestListener =>
    (request, response) => {
      noteListener(request, name);
      void callback(request, response);
    };
  return {
    handlers: { front: handlerOf('front'), mtls: handlerOf('mtls') },
    endGrant: (grantId) => grants.revoke(grantId, 'ended'),
  };
}

function openTokenStatus(options: AuthorizationServerOptions): TokenStatus {
  const { store, secret, clock } = options;
  return new TokenStatus({
    store,
    accessTokenSeconds: options.accessTokenSeconds,
    hashId: (id) => createHmac('sha256', secret).update(`status\0${id}`).digest('base64url'),
    authorisedHolders: async (holders) => {
      const find = await options.clients.finderOf(holders.map(({ clientId }) => clientId));
      return (holder) => isHolderAuthorised(holder, { ...options, clients: { find } });
    },
    revokedCertificates: options.revokedCertificates,
    clock,
    signer: options.signer,
    issuer: options.issuer,
    listBaseUrl: new URL(STATUS_LIST_PATH, options.issuer).href,
  });
}
