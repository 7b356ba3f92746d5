import { createHmac } from 'node:crypto';
import type { RequestListener } from 'node:http';
import type { Middleware } from 'koa';
import type { Provider } from 'oidc-provider';
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
import { accessLog } from './request/access-log.ts';
import { errorHandler, errorPage, listenForFaults } from './request/error-handler.ts';
import { interactions } from './customer/interactions.ts';
import { sessionTakeover } from './customer/session-takeover.ts';
import { createIssuedTokens, introspectForResourceServers } from './tokens/introspection.ts';
import { pageHeaders, Pages } from './customer/pages/pages.ts';
import { createProvider } from './provider.ts';
import { createResourceServers, type RegisteredResourceServer } from './tokens/resource-servers.ts';
import { revokeStructuredTokens } from './tokens/revocation.ts';
import type { RevokedCertificates } from './token-status/revoked-certificates.ts';
import { ENDPOINTS, findRoute, from, STATUS_LIST_PATH, STATUS_LIST_ROUTE } from './request/routes.ts';
import { at, inOrder, type ListenerName, noteListener } from './request/routes.ts';
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
  /** Key of hashes, encryption and cookies; 32 bytes. */
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
  /** Time limit of one call of the bank. */
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

/** Puts the parts of this folder together: the provider, the steps in front of it, and the end of a grant. */
export function createAuthorizationServer(options: AuthorizationServerOptions): AuthorizationServer {
  const { store, secret, clock } = options;
  const tokenStatus = openTokenStatus(options);
  const grants = new GrantRevocation({ store, clock, secret, tokenStatus });
  const adapters = createAdapterFactory({ store, secret, clock, grants });
  const pages = new Pages({ bankName: options.aspsp.name });
  const provider = createProvider(options, {
    adapter: (model) => (model === 'Client' ? options.clients.adapter() : adapters(model)),
    tokenStatus,
    renderError: errorPage(pages),
  });
  Object.assign(provider.ReplayDetection, {
    unique: replayDetectionUnique({ store, secret }),
  });
  listenForFaults(provider);
  provider.use(inOrder(stepsOf(options, { provider, pages, tokenStatus })));

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

interface StepParts {
  readonly provider: Provider;
  readonly pages: Pages;
  readonly tokenStatus: TokenStatus;
}

/** The steps of each listener, in the order in which they run. The provider's endpoint comes last. */
function stepsOf(
  options: AuthorizationServerOptions,
  { provider, pages, tokenStatus }: StepParts,
): Record<ListenerName, readonly Middleware[]> {
  const { issuer, signer, clientCertificate, authenticator, consents, clock, log } = options;
  const issuedTokens = createIssuedTokens({ signer, issuer });
  const hasStrictTransportSecurity = new URL(issuer).hostname !== 'localhost';
  const metadata = discoveryOnBothListeners(options);
  const statusLists = serveStatusLists(tokenStatus.lists);
  const introspection = introspectForResourceServers({
    provider,
    resourceServers: createResourceServers(options.resourceServers, clock),
    issuedTokens,
    tokenStatus,
    clientCertificate,
    signer,
    issuer,
    clock,
  });
  const customerPages = interactions({
    provider,
    pages,
    aspsp: options.aspsp,
    aspspCallSeconds: options.aspspCallSeconds,
    authorisationStatus: options.authorisationStatus,
    consents,
    resource: options.resource,
    consentSeconds: options.consentSeconds,
    secret: options.secret,
    clock,
    log,
  });
  return {
    front: [
      accessLog(log),
      errorHandler(pages),
      pageHeaders({ hasStrictTransportSecurity }),
      findRoute,
      from('anyone', metadata),
      at(STATUS_LIST_ROUTE, statusLists),
      from('browser', sessionTakeover(provider)),
      from('browser', customerPages),
    ],
    mtls: [
      accessLog(log),
      errorHandler(pages),
      findRoute,
      // A resource server is answered here; every other caller is a TPP, and has to prove that.
      at(ENDPOINTS.introspection, introspection),
      from('tpp', tppGate(authenticator, clientCertificate)),
      at(ENDPOINTS.token, directClientCredentials(provider)),
      from('anyone', metadata),
      at(STATUS_LIST_ROUTE, statusLists),
      at(ENDPOINTS.revocation, revokeStructuredTokens({ issuedTokens, tokenStatus })),
    ],
  };
}

function openTokenStatus(options: AuthorizationServerOptions): TokenStatus {
  const { store, secret, clock, authorisationStatus, isRevoked } = options;
  return new TokenStatus({
    store,
    accessTokenSeconds: options.accessTokenSeconds,
    hashId: (id) => createHmac('sha256', secret).update(`status\0${id}`).digest('base64url'),
    authorisedHolders: async (holders) => {
      const find = await options.clients.finderOf(holders.map(({ clientId }) => clientId));
      const rules = {
        authorisationStatus,
        clients: { find },
        ...(isRevoked === undefined ? {} : { isRevoked }),
      };
      return (holder) => isHolderAuthorised(holder, rules);
    },
    revokedCertificates: options.revokedCertificates,
    clock,
    signer: options.signer,
    issuer: options.issuer,
    listBaseUrl: new URL(STATUS_LIST_PATH, options.issuer).href,
  });
}
