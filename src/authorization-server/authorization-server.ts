import type { Middleware } from 'koa';
import type { Provider } from 'oidc-provider';
import { type AuditGate, OPEN_GATE } from '../audit/audit-gate.ts';
import type { ConsentRecords } from '../consent/consent-records.ts';
import type { ConsentUses } from '../consent/consent-uses.ts';
import { Consents, type GrantEnder } from '../consent/consents.ts';
import type { DetailTypes } from '../consent/details/detail-types.ts';
import type { RequestHandler } from '../mutual-tls/limits/admission.ts';
import type { Store } from '../storage/store.ts';
import type { TppAuthenticator } from '../tpp/authenticate.ts';
import { ClientGrants } from './models/client-grants.ts';
import { GrantRevocation } from './models/grant-revocation.ts';
import { createAdapterFactory, replayDetectionUnique } from './models/adapter.ts';
import { type ClientLimits, RecordLimits } from './models/record-limits.ts';
import { Ciba, tellInterval } from './ciba/ciba.ts';
import type { Approvals } from './customer/bank/decoupled-approval.ts';
import type { Clients } from './clients/clients.ts';
import { serveConsentInformation } from './consent-information/consent-information.ts';
import { discoveryOnBothListeners } from './discovery.ts';
import { accessLog } from './request/access-log.ts';
import { auditedAnswers, refuseUnaudited } from './request/audited-answers.ts';
import { errorHandler, errorPage, listenForFaults } from './request/error-handler.ts';
import { checkForm, formHead } from './request/form.ts';
import { postedAuthorization } from './request/posted-authorization.ts';
import { GrantedConsents } from './customer/consent/granted-consent.ts';
import type { Aspsp } from './customer/bank/aspsp.ts';
import { AskedAccesses } from './customer/consent/asked-access.ts';
import { AspspCalls } from './customer/bank/aspsp-calls.ts';
import type { Confirmations } from './customer/bank/strong-authentication.ts';
import {
  type OpenedStrongParts,
  openStrongParts,
  type ScaOptions,
} from './customer/authentication/strong-parts.ts';
import type { BankInteractions } from './customer/bank-app/bank-interactions.ts';
import { type OpenedBankApp, openBankApp } from './customer/bank-app/opened-bank-app.ts';
import { ReleasedClaims } from './customer/claims/released-claims.ts';
import { type InteractionOptions, interactions } from './customer/interactions.ts';
import { decryptRequest } from './request/authorization-request/encrypted-request.ts';
import { refuseNesting } from './request/authorization-request/nested-request.ts';
import { requestEncryptionOf } from './profiles/encryption-rules.ts';
import type { Decrypter } from './signing/decrypter.ts';
import {
  introspectForResourceServers,
  type IntrospectionOptions,
  IssuedTokens,
} from './tokens/introspection.ts';
import type { BrandingOptions } from './customer/pages/branding/branding.ts';
import { pageAssets } from './customer/pages/page-assets.ts';
import { pageHeaders } from './customer/pages/page-headers.ts';
import { Pages } from './customer/pages/pages.ts';
import type { Languages } from './customer/pages/words/languages.ts';
import { openTokenStatus, type TokenStatusSettings } from './opened-token-status.ts';
import { createProvider, type ProviderOptions } from './provider.ts';
import { signedIntrospection } from './tokens/signed-introspection.ts';
import { Dashboard, type DashboardOptions } from './dashboard/dashboard.ts';
import { nameGrant } from './grant-management/grant-id.ts';
import { grantsEndpoint } from './grant-management/grants-endpoint.ts';
import { type DirectParts, directParts, directWays } from './tokens/direct/direct-ways.ts';
import { revokeTokens } from './tokens/revocation.ts';
import { serveClientKeys } from './tokens/client-keys.ts';
import { openSelfSigned } from './clients/self-signed/self-signed-clients.ts';
import { namedClient } from './tokens/presented-token.ts';
import { ableToSign } from './signing/signing-gate.ts';
import { userinfo } from './tokens/userinfo.ts';
import {
  at,
  CLIENT_KEYS_ROUTE,
  CONSENT_INFORMATION_ROUTE,
  ENDPOINTS,
  findRoute,
  from,
  GRANTS_ROUTE,
  inOrder,
  type ListenerName,
  noteListener,
  REGISTRATION_ROUTE,
  SELF_CHECK_PATH,
  STATUS_LIST_ROUTE,
  whereOpen,
} from './request/routes.ts';
import {
  openRegistration,
  registrationSteps,
  type RegistrationSettings,
} from './registration/opened-registration.ts';
import { selfCheck, type SelfCheckOptions } from './self-check/self-check.ts';
import type { FollowedSigner } from './signing/signer.ts';
import { serveStatusLists } from './token-status/status-lists.ts';
import type { TokenStatus } from './token-status/token-status.ts';
import type { RequestRates } from './request/request-rates.ts';
import { tppGate } from './request/tpp-gate.ts';

export interface AuthorizationServerOptions
  extends ProviderOptions,
    InteractionOptions,
    IntrospectionOptions,
    DashboardOptions,
    TokenStatusSettings,
    Pick<SelfCheckOptions, 'hasSelfCheck'> {
  readonly clients: Clients;
  readonly signer: FollowedSigner;
  readonly decrypter: Decrypter;
  readonly store: Store;
  readonly clientLimits: ClientLimits;
  readonly requestRates: RequestRates;
  readonly consents: ConsentRecords;
  readonly detailTypes: DetailTypes;
  readonly consentUses: ConsentUses;
  readonly aspsp: Aspsp;
  /** Look and languages of the pages for customers. */
  readonly pages?: BrandingOptions | undefined;
  /** How long one call of the bank may take. */
  readonly aspspCallSeconds: number;
  /** Absent: the bank's own steps are the whole authentication of customers. */
  readonly sca: ScaOptions | undefined;
  readonly authenticator: TppAuthenticator;
  readonly registration: RegistrationSettings;
  /** The audit record, where there is one. */
  readonly audit: AuditGate | undefined;
}

/** One handler for each listener; both lead to the same provider. */
export interface AuthorizationServer extends GrantEnder {
  readonly handlers: Readonly<Record<ListenerName, RequestHandler>>;
  /** The answers of customers who were asked on a device. Undefined where CIBA is off. */
  readonly approvals: Approvals | undefined;
  /** The answers of customers in the bank's app, as an element of their authentication. Undefined where `sca` is off. */
  readonly confirmations: Confirmations | undefined;
  /** Authorizations that customers decide in the application of the bank. */
  readonly bankInteractions: BankInteractions;
  /** The languages of the pages. */
  readonly languages: Languages;
  /** Cuts off what is under way to clients. */
  close(): Promise<void>;
}

/** Puts the parts of this folder together: the provider, the steps in front of it, and the end of a grant. */
export function createAuthorizationServer(options: AuthorizationServerOptions): AuthorizationServer {
  const { store, secret, clock } = options;
  const tokenStatus = openTokenStatus(options);
  const grants = new GrantRevocation({ store, clock, secret, tokenStatus });
  const clientGrants = new ClientGrants({ store, secret, clock, grants });
  options.clients.endWith((clientId) => clientGrants.end(clientId));
  const limits = new RecordLimits(options.clientLimits);
  const adapters = createAdapterFactory({ store, secret, clock, grants, limits });
  const pages = new Pages({ ...options.pages, bankName: options.pages?.bankName ?? options.aspsp.name });
  const aspsp = new AspspCalls({
    aspsp: options.aspsp,
    callSeconds: options.aspspCallSeconds,
    clock,
    acr: options.acr,
  });
  const releasedClaims = new ReleasedClaims({ ...options, aspsp });
  const strong = openStrongParts(options);
  const accesses = new AskedAccesses(options);
  const { languages } = pages;
  const ciba = options.ciba && new Ciba({ ...options, ...options.ciba, calls: aspsp, accesses, languages });
  const provider = createProvider(options, {
    ciba,
    judge: (request) => accesses.judge(request),
    adapter: adapters,
    tokenStatus,
    releasedClaims,
    renderError: errorPage(pages),
  });
  Object.assign(provider.ReplayDetection, { unique: replayDetectionUnique({ store, secret, limits }) });
  const endGrant = (grantId: string) => grants.revoke(grantId, 'ended');
  const granted = new GrantedConsents(options, { provider, grants: { endGrant } });
  const approvals = ciba?.serve(provider, granted);
  listenForFaults(provider);
  const consents = new Consents(options.consents, { endGrant });
  const bankApp = openBankApp(options, { provider, accesses, calls: aspsp });
  const ofPages = { provider, aspsp, bankApp, strong, pages, consents, granted, accesses };
  const direct = directParts(options, { tokenStatus, adapters });
  provider.use(inOrder(stepsOf(options, { ...ofPages, tokenStatus, releasedClaims, direct })));
  const callback = provider.callback();
  const handlerOf =
    (name: ListenerName): RequestHandler =>
    (request, response) => {
      noteListener(request, name);
      return callback(request, response);
    };
  return {
    handlers: { front: handlerOf('front'), mtls: handlerOf('mtls') },
    approvals,
    confirmations: strong?.confirmations,
    bankInteractions: bankApp.interactions,
    languages: pages.languages,
    endGrant,
    close: async () => ciba?.close(),
  };
}

interface StepParts {
  readonly provider: Provider;
  readonly aspsp: AspspCalls;
  readonly strong: OpenedStrongParts | undefined;
  readonly bankApp: OpenedBankApp;
  readonly releasedClaims: ReleasedClaims;
  readonly pages: Pages;
  readonly consents: Consents;
  readonly granted: GrantedConsents;
  readonly accesses: AskedAccesses;
  readonly tokenStatus: TokenStatus;
  readonly direct: DirectParts;
}

/** The steps of each listener, in the order in which they run. The provider's endpoint comes last. */
function stepsOf(
  options: AuthorizationServerOptions,
  parts: StepParts,
): Record<ListenerName, readonly Middleware[]> {
  const { provider, aspsp, strong, pages, consents, tokenStatus, releasedClaims } = parts;
  const { issuer, clientCertificate, authenticator, requestRates: rates, log, audit = OPEN_GATE } = options;
  const sources = {
    provider,
    tokenStatus,
    issuedTokens: new IssuedTokens(options.signer, issuer, options.clock),
  };
  const userinfoSources = {
    ...sources,
    findCustomerClaims: (psuId: string, consentId: string) => releasedClaims.ofUserinfo(psuId, consentId),
  };
  const decrypting = decryptingStep(options);
  const hasStrictTransportSecurity = new URL(issuer).hostname !== 'localhost';
  const metadata = discoveryOnBothListeners({ ...options, uiLocales: pages.languages.offered });
  const statusLists = serveStatusLists(tokenStatus.lists);
  const registration = openRegistration(options);
  const selfSigned = openSelfSigned(options, (ctx) => namedClient(ctx, sources));
  return {
    front: [
      auditedAnswers(audit, log, pages),
      accessLog(log, clientCertificate),
      errorHandler(pages),
      pageHeaders({ hasStrictTransportSecurity }),
      findRoute,
      rates.ofAddress,
      refuseUnaudited(audit),
      from('anyone', metadata),
      at(STATUS_LIST_ROUTE, statusLists),
      at(ENDPOINTS.authorization, postedAuthorization),
      at(ENDPOINTS.authorization, decrypting),
      at(ENDPOINTS.authorization, refuseNesting),
      from('browser', pageAssets(pages.branding)),
      from('browser', new Dashboard(options, { aspsp, strong, pages, consents }).serve),
      from('browser', interactions(options, parts)),
    ],
    mtls: [
      auditedAnswers(audit, log, pages),
      accessLog(log, clientCertificate),
      errorHandler(pages),
      findRoute,
      rates.ofStrangers,
      refuseUnaudited(audit),
      at(ENDPOINTS.backchannel_authentication, whereOpen(options.ciba)),
      at(REGISTRATION_ROUTE, whereOpen(registration.endpoints)),
      formHead(options.clock),
      // A resource server is answered here; every other caller is a TPP, and has to prove that.
      at(ENDPOINTS.introspection, introspectForResourceServers(options, sources)),
      at(CLIENT_KEYS_ROUTE, serveClientKeys(options)),
      at(CONSENT_INFORMATION_ROUTE, serveConsentInformation(options)),
      // A certificate that the gate refuses is answered too.
      at(SELF_CHECK_PATH, selfCheck({ ...options, selfSigned })),
      from('tpp', tppGate(authenticator, clientCertificate, { ...options, selfSigned })),
      rates.ofTpp,
      ...registrationSteps(registration),
      // An opaque access token needs no signature, and may come without an ID token.
      ...(options.accessTokenFormat === 'jwt' ? [at(ENDPOINTS.token, ableToSign(options.signer))] : []),
      at(ENDPOINTS.token, nameGrant(options.grantManagement)),
      at(ENDPOINTS.introspection, signedIntrospection(provider)),
      at(ENDPOINTS.revocation, revokeTokens(sources, options)),
      ...directWays(provider, parts.direct),
      checkForm,
      at(ENDPOINTS.pushed_authorization_request, decrypting),
      at(ENDPOINTS.pushed_authorization_request, refuseNesting),
      from('anyone', metadata),
      at(STATUS_LIST_ROUTE, statusLists),
      at(ENDPOINTS.backchannel_authentication, tellInterval),
      at(ENDPOINTS.userinfo, userinfo(options, userinfoSources)),
      at(GRANTS_ROUTE, grantsEndpoint(options, { ...sources, consents })),
    ],
  };
}

function decryptingStep({ decrypter, clients }: AuthorizationServerOptions): Middleware {
  return decryptRequest({
    decrypter,
    findEncryption: async (clientId) => {
      const client = await clients.find(clientId);
      return client === undefined ? undefined : requestEncryptionOf(client);
    },
  });
}
