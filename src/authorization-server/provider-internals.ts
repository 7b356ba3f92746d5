import type * as typed from 'oidc-provider';
import authorizationSteps from 'oidc-provider/lib/actions/authorization/index.js';
import introspectionSteps from 'oidc-provider/lib/actions/introspection.js';
import revocationSteps from 'oidc-provider/lib/actions/revocation.js';
import requestContexts from 'oidc-provider/lib/helpers/als.js';
import * as providerErrors from 'oidc-provider/lib/helpers/errors.js';
import errorHandlerOf from 'oidc-provider/lib/shared/error_handler.js';
import jwtClientAuth from 'oidc-provider/lib/shared/jwt_client_auth.js';
import validateDpop from 'oidc-provider/lib/helpers/validate_dpop.js';
import nanoid from 'oidc-provider/lib/helpers/nanoid.js';
import initializeKeystore from 'oidc-provider/lib/helpers/initialize_keystore.js';
import * as providerPolicy from 'oidc-provider/lib/helpers/interaction_policy/index.js';
import { get as stateOf } from 'oidc-provider/lib/helpers/weak_cache.js';

/*
 * Every module of oidc-provider that this program imports by its path: no other file of src/ does. The package's
 * exact version is pinned; docs/upgrade-oidc-provider.md is the recipe for a new one.
 *
 * The first four are the public exports, from the modules that define them. The package's index adds only a warning,
 * at every start, on a Node release that is not a long-term one (Node 26.10 is not marked as one).
 */
export { ExternalSigningKey } from 'oidc-provider/lib/helpers/keystore.js';
export { Provider } from 'oidc-provider/lib/provider.js';
export const errors: typeof typed.errors = providerErrors;
export const interactionPolicy: typeof typed.interactionPolicy = providerPolicy;

/**
 * Replaces the keys of a running provider: the first of an algorithm signs, all are in its JWKS. On a throw the
 * old keys stay. Internal, because the provider offers no public way (its maintainer: "edit and restart").
 */
export function replaceKeys(provider: typed.Provider, keys: typed.JWKS): void {
  initializeKeystore.call(provider, keys);
}

/** Where the provider finds the registrations of clients. Each returns the same object while a registration does not change. */
export interface ClientSources<Registration extends object> {
  /** In memory. */
  readonly findNamed: (clientId: string) => Registration | undefined;
  /** In the store. */
  readonly findStored: (clientId: string) => Promise<Registration | undefined>;
}

/**
 * Makes `sources` the source of the provider's clients. The client object is made when its client is used first, and stays
 * the same while its source returns the same registration. Internal, because the public way, an adapter's `Client` records,
 * hashes the metadata of the client in every request, and remembers 100 clients.
 */
export function provideClients<Registration extends object>(
  provider: typed.Provider,
  sources: ClientSources<Registration>,
  metadataOf: (registration: Registration) => typed.ClientMetadata,
  keysOf: (registration: Registration) => ClientKeys | undefined,
): void {
  const made = new WeakMap<Registration, typed.Client>();
  /** By client: brings its keys up to date. */
  const fillers = new WeakMap<typed.Client, () => Promise<void>>();
  const clientOf = (registration: Registration | undefined): typed.Client | undefined => {
    if (registration === undefined) return undefined;
    const known = made.get(registration);
    if (known !== undefined) return known;
    const client = createClient(provider, metadataOf(registration));
    made.set(registration, client);
    const keys = keysOf(registration);
    if (keys !== undefined) fillers.set(client, followKeys(client, keys));
    return client;
  };
  const findNamed = (clientId: string) => clientOf(sources.findNamed(clientId));
  stateOf(provider).staticClients = { get: findNamed };
  // The provider's own callers go through this static method.
  provider.Client.find = async (clientId) => {
    if (typeof clientId !== 'string' || clientId === '') return undefined;
    const client = findNamed(clientId) ?? clientOf(await sources.findStored(clientId));
    if (client !== undefined) await fillers.get(client)?.();
    return client;
  };
}

/** The keys of a client that are kept up to date, in place of the provider's own reading of `jwks_uri`. */
export interface ClientKeys {
  /** The same array while the keys do not change. */
  current(): Promise<readonly typed.JWK[]>;
  readonly mayRenew: boolean;
  /** For a signature that no key verifies. */
  renew(): Promise<readonly typed.JWK[]>;
}

/** Has the provider verify with these keys, and returns how they are brought up to date. */
function followKeys(client: typed.Client, keys: ClientKeys): () => Promise<void> {
  const { asymmetricKeyStore: store } = client as typed.Client & { readonly asymmetricKeyStore: KeyStore };
  let held: readonly typed.JWK[] | undefined;
  const fill = (current: readonly typed.JWK[]) => {
    if (current === held) return;
    held = current;
    store.clear();
    for (const key of current) store.add(structuredClone(key));
  };
  Object.assign(store, {
    fresh: () => !keys.mayRenew,
    stale: () => keys.mayRenew,
    refresh: async () => fill(await (keys.mayRenew ? keys.renew() : keys.current())),
  });
  return async () => fill(await keys.current());
}

interface KeyStore {
  clear(): void;
  add(key: typed.JWK): void;
}

/** A random identifier of 43 characters, 256 bits, as the provider gives its tokens. Internal, because it exports none. */
export const newIdentifier: () => string = nanoid;

/**
 * The provider's handler of a grant, which runs once the client is known. The handler answers in `ctx.body` and throws
 * refusals. Internal, because a grant type can be registered in public, but not read back.
 */
export function grantHandlerOf(
  provider: typed.Provider,
  grantType: string,
): (ctx: typed.KoaContextWithOIDC) => Promise<void> {
  const handler = stateOf(provider).grantTypeHandlers.get(grantType);
  if (handler === undefined) throw new TypeError(`the provider knows no grant type ${grantType}`);
  return handler;
}

/**
 * Leaves the audience of client assertions to the hook that knows the profile of the client. Internal, because the
 * provider's own set depends on the Host of the request, and is the same for every client.
 */
export function leaveAudienceToHook(provider: typed.Provider): void {
  const every = { has: () => true };
  Object.assign(provider.OIDCContext.prototype, { clientJwtAuthExpectedAudience: () => every });
}

/** Removes every other response mode: a request with one is refused. Internal: in public modes can only be added. */
export function keepResponseModes(provider: typed.Provider, kept: readonly string[]): void {
  const { responseModes } = stateOf(provider);
  for (const mode of responseModes.keys()) if (!kept.includes(mode)) responseModes.delete(mode);
}

/**
 * The last step of the provider's introspection endpoint, which answers in `ctx.body` once client and parameters are
 * known. Internal, because the provider has no public way to one step of a route.
 */
export async function introspectionHandler(ctx: typed.KoaContextWithOIDC): Promise<void> {
  await introspectionSteps.at(-1)?.(ctx);
}

/**
 * The last step of the provider's revocation endpoint, which ends the token of the parameters. Internal for the same
 * reason.
 */
export async function revocationHandler(ctx: typed.KoaContextWithOIDC): Promise<void> {
  await revocationSteps.at(-1)?.(ctx);
}

/** A step of one of the provider's routes; the step calls `next` when the request passes. */
export type ProviderStep = (
  ctx: typed.KoaContextWithOIDC,
  next: () => undefined,
) => Promise<undefined> | undefined;

/**
 * The steps of the provider's endpoint for pushed authorization requests that follow the authentication of the client and the
 * reading of the parameters: each check, without the last step, which stores the request and answers. Internal for the same
 * reason.
 */
export function pushedRequestSteps(): readonly ProviderStep[] {
  const all = authorizationSteps('pushed_authorization_request');
  const first = all.findIndex(({ name }) => name === 'processRequestObject');
  if (first === -1) throw new TypeError('the provider has no step that reads request objects');
  if (all.at(-1)?.name !== 'pushedAuthorizationRequestResponse') {
    throw new TypeError('the last step of the provider does not store pushed requests');
  }
  return all.slice(first, -1);
}

/** The provider's answer to what a step throws, with the event of its endpoint. Internal for the same reason. */
export const answerErrors: (
  event: 'grant.error' | 'revocation.error',
) => (ctx: typed.KoaContextWithOIDC, step: () => Promise<void>) => Promise<void> = errorHandlerOf;

/**
 * Calls `prepare` with each access token before its value is made, in every grant: a throw refuses the token. Internal: no
 * hook of the provider comes before the payload is read.
 */
export function prepareAccessTokens(
  provider: typed.Provider,
  prepare: (ctx: typed.KoaContextWithOIDC | undefined, token: AccessTokenModel) => void,
): void {
  for (const { prototype } of [provider.AccessToken, provider.ClientCredentials]) {
    const model: { save(this: AccessTokenModel): Promise<string> } = prototype;
    const { save } = model;
    model.save = function prepared() {
      prepare(requestContexts.getStore(), this);
      return save.call(this);
    };
  }
}

type AccessTokenModel = typed.AccessToken | typed.ClientCredentials;

/**
 * Calls `prepare` with the session of a request before the steps of its route. Internal: no hook of the provider comes
 * between the reading of a session and its use.
 */
export function prepareSessions(
  provider: typed.Provider,
  prepare: (ctx: typed.KoaContextWithOIDC, session: typed.Session) => Promise<void>,
): void {
  const model = provider.Session;
  const get = model.get.bind(model);
  // The provider's own caller goes through this static method.
  model.get = async (ctx) => {
    const session = await get(ctx);
    await prepare(ctx as typed.KoaContextWithOIDC, session);
    return session;
  };
}

/**
 * Authenticates the client of a request by its assertion (`private_key_jwt`), with the hook of the configuration and the
 * `jti` used up. Internal, because the provider has no public way to one step of a route. @throws OIDCProviderError
 */
export function verifyClientAssertion(ctx: typed.KoaContextWithOIDC): Promise<void> {
  const { asymmetricKeyStore } = ctx.oidc.client as typed.Client & { readonly asymmetricKeyStore: KeyStore };
  return jwtClientAuth(ctx, asymmetricKeyStore, (alg) => !alg.startsWith('HS'));
}

/** A DPoP proof that is verified for its request. */
export interface VerifiedProof {
  /** RFC 7638 thumbprint of the key. */
  readonly thumbprint: string;
  readonly jti: string;
}

/**
 * Verifies the DPoP proof of a request with an access token, for the address of `ctx.oidc.urlFor`. Does not check that the proof
 * is new. Internal, because the provider verifies proofs at its own endpoints only.
 */
export async function verifyProof(
  provider: typed.Provider,
  ctx: typed.KoaContextWithOIDC,
  token: string,
): Promise<VerifiedProof> {
  const proof = await validateDpop(provider, ctx, token);
  if (proof === undefined) throw new providerErrors.InvalidDpopProof('DPoP proof JWT not provided');
  return proof;
}

/** Runs the work with `ctx` as `Provider.ctx`, as the provider's routes do. Internal: only routes of its router can. */
export function runInContext<T>(ctx: typed.KoaContextWithOIDC, work: () => T): T {
  return requestContexts.run(ctx, work);
}

function createClient(provider: typed.Provider, metadata: typed.ClientMetadata): typed.Client {
  // The types know the class by its static side only.
  const Client = provider.Client as unknown as new (metadata: typed.ClientMetadata) => typed.Client;
  return new Client(structuredClone(metadata));
}
