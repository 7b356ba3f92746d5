// @types/oidc-provider knows the package's index only. Each of these is re-exported there under this name.
declare module 'oidc-provider/lib/provider.js' {
  export { Provider } from 'oidc-provider';
}
declare module 'oidc-provider/lib/helpers/errors.js';
declare module 'oidc-provider/lib/helpers/interaction_policy/index.js';
declare module 'oidc-provider/lib/helpers/initialize_keystore.js' {
  function initializeKeystore(
    this: import('oidc-provider').Provider,
    jwks: import('oidc-provider').JWKS,
  ): void;
  // biome-ignore lint/style/noDefaultExport: the library's own
  export { initializeKeystore as default };
}
declare module 'oidc-provider/lib/helpers/weak_cache.js' {
  /** The provider's own state, as far as we touch it. */
  export function get(provider: import('oidc-provider').Provider): {
    staticClients: Pick<Map<string, import('oidc-provider').Client>, 'get'>;
    grantTypeHandlers: Map<string, (ctx: import('oidc-provider').KoaContextWithOIDC) => Promise<void>>;
    readonly responseModes: Map<string, unknown>;
    /** For tests: the published keys. */
    readonly jwks: { readonly keys: readonly { readonly kid: string }[] };
  };
}
declare module 'oidc-provider/lib/helpers/validate_dpop.js' {
  function validateDpop(
    provider: import('oidc-provider').Provider,
    ctx: import('oidc-provider').KoaContextWithOIDC,
    accessToken: string,
  ): Promise<{ readonly thumbprint: string; readonly jti: string } | undefined>;
  // biome-ignore lint/style/noDefaultExport: the library's own
  export { validateDpop as default };
}
declare module 'oidc-provider/lib/shared/jwt_client_auth.js' {
  function jwtClientAuth(
    ctx: import('oidc-provider').KoaContextWithOIDC,
    keys: object,
    isAlgorithm: (alg: string) => boolean,
  ): Promise<void>;
  // biome-ignore lint/style/noDefaultExport: the library's own
  export { jwtClientAuth as default };
}
declare module 'oidc-provider/lib/actions/authorization/index.js' {
  type Step = (
    ctx: import('oidc-provider').KoaContextWithOIDC,
    next: () => undefined,
  ) => Promise<undefined> | undefined;
  function authorizationSteps(endpoint: 'pushed_authorization_request'): readonly Step[];
  // biome-ignore lint/style/noDefaultExport: the library's own
  export { authorizationSteps as default };
}
declare module 'oidc-provider/lib/actions/introspection.js' {
  const steps: readonly ((ctx: import('oidc-provider').KoaContextWithOIDC) => Promise<void>)[];
  // biome-ignore lint/style/noDefaultExport: the library's own
  export default steps;
}
declare module 'oidc-provider/lib/actions/revocation.js' {
  const steps: readonly ((ctx: import('oidc-provider').KoaContextWithOIDC) => Promise<void>)[];
  // biome-ignore lint/style/noDefaultExport: the library's own
  export default steps;
}
declare module 'oidc-provider/lib/shared/error_handler.js' {
  function errorHandlerOf(
    event: string,
  ): (ctx: import('oidc-provider').KoaContextWithOIDC, step: () => Promise<void>) => Promise<void>;
  // biome-ignore lint/style/noDefaultExport: the library's own
  export { errorHandlerOf as default };
}
declare module 'oidc-provider/lib/helpers/nanoid.js' {
  /** Random characters of an alphabet of 64. */
  const nanoid: (size?: number) => string;
  // biome-ignore lint/style/noDefaultExport: the library's own
  export { nanoid as default };
}
declare module 'oidc-provider/lib/helpers/als.js' {
  const contexts: import('node:async_hooks').AsyncLocalStorage<import('oidc-provider').KoaContextWithOIDC>;
  // biome-ignore lint/style/noDefaultExport: the library's own
  export default contexts;
}
// For tests: the way in which the provider verifies client assertions.
declare module 'oidc-provider/lib/helpers/jwt.js' {
  export function verify(jwt: string, keystore: object, options: { algorithm?: string }): Promise<unknown>;
}
declare module 'oidc-provider/lib/helpers/keystore.js' {
  export class ExternalSigningKey {
    get kty(): string;
    get kid(): string | undefined;
    set kid(value: string | undefined);
    get alg(): string | undefined;
    set alg(value: string | undefined);
    keyObject(): import('node:crypto').KeyObject;
    sign(data: Buffer): Buffer | Promise<Buffer>;
  }
  class KeyStore {
    constructor(keys: readonly object[]);
  }
  // biome-ignore lint/style/noDefaultExport: the library's own
  export { KeyStore as default };
}
declare module 'oidc-provider/lib/models/index.js';
