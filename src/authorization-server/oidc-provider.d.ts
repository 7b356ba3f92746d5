// @types/oidc-provider knows the package's index only. Each of these is re-exported there under this name.
declare module 'oidc-provider/lib/provider.js' {
  export { Provider } from 'oidc-provider';
}
declare module 'oidc-provider/lib/helpers/errors.js';
declare module 'oidc-provider/lib/helpers/interaction_policy/index.js';
