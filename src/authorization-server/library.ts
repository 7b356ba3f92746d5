import type * as typed from 'oidc-provider';
import contexts from 'oidc-provider/lib/helpers/als.js';
import * as libraryErrors from 'oidc-provider/lib/helpers/errors.js';
import initializeKeystore from 'oidc-provider/lib/helpers/initialize_keystore.js';
import * as libraryPolicy from 'oidc-provider/lib/helpers/interaction_policy/index.js';
import { get as internalsOf } from 'oidc-provider/lib/helpers/weak_cache.js';

/*
 * What we use of oidc-provider at run time, from the modules that define it. The package's index adds only a
 * warning, at every start, about a Node release that has not reached its LTS date.
 */
export { ExternalSigningKey } from 'oidc-provider/lib/helpers/keystore.js';
export { default as isValidScope } from 'oidc-provider/lib/helpers/is_valid_scope.js';
export { Provider } from 'oidc-provider/lib/provider.js';
export const errors: typeof typed.errors = libraryErrors;
export const interactionPolicy: typeof typed.interactionPolicy = libraryPolicy;

/**
 * Replaces the keys of a running provider: the first of an algorithm signs, all are in its JWKS. On a throw the
 * old keys stay. The provider offers no public way (its maintainer: "edit and restart").
 */
export function replaceKeys(provider: typed.Provider, keys: typed.JWKS): void {
  initializeKeystore.call(provider, keys);
}

/**
 * Replaces the static clients of a running provider as a whole. A client whose metadata is the same stays the
 * same object; on a throw (bad metadata) the old clients stay.
 */
export function replaceClients(provider: typed.Provider, clients: readonly typed.ClientMetadata[]): void {
  const last = known.get(provider);
  const next = new Map(
    clients.map((metadata) => {
      const text = JSON.stringify(metadata);
      const same = last?.get(metadata.client_id);
      return [
        metadata.client_id,
        same?.text === text ? same : { text, client: createClient(provider, metadata) },
      ];
    }),
  );
  known.set(provider, next);
  internalsOf(provider).staticClients = new Map([...next].map(([id, { client }]) => [id, client]));
}

/** What the provider does for a grant once the client is known. It answers in `ctx.body`, and throws refusals. */
export function grantHandlerOf(
  provider: typed.Provider,
  grantType: string,
): (ctx: typed.KoaContextWithOIDC) => Promise<void> {
  const handler = internalsOf(provider).grantTypeHandlers.get(grantType);
  if (handler === undefined) throw new TypeError(`the provider knows no grant type ${grantType}`);
  return handler;
}

/** Does the work as the provider's endpoints do: `Provider.ctx` is this context meanwhile. */
export function runInContext<T>(ctx: typed.KoaContextWithOIDC, work: () => T): T {
  return contexts.run(ctx, work);
}

interface KnownClient {
  readonly text: string;
  readonly client: typed.Client;
}

const known = new WeakMap<typed.Provider, ReadonlyMap<string, KnownClient>>();

function createClient(provider: typed.Provider, metadata: typed.ClientMetadata): typed.Client {
  // The types know the class by its static side only.
  const Client = provider.Client as unknown as new (metadata: typed.ClientMetadata) => typed.Client;
  return new Client(structuredClone(metadata));
}
