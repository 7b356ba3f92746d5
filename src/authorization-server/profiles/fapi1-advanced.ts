import { CLIENT_AUTH_METHODS, type Profile } from './profile.ts';

/** FAPI 1.0 Part 2, Advanced (Final): the hybrid flow with its detached signature, or JARM. */
export const fapi1Advanced: Profile = Object.freeze({
  name: 'fapi1-advanced',
  title: 'FAPI 1.0 Advanced',
  providerProfile: '1.0 Final',
  /** §5.2.2: `code id_token`, or `code` with JARM; both never at once. */
  responseModes: Object.freeze({
    'code id_token': Object.freeze(['fragment'] as const),
    code: Object.freeze(['jwt', 'query.jwt', 'fragment.jwt'] as const),
  }),
  signedResponses: 'required',
  /** By value or pushed. Where one client must push, its registration says so, and the metadata of the server does not. */
  pushedRequests: 'off',
  signedRequests: 'required',
  /** §5.2.2: exp at most 60 minutes after nbf, nbf at most 60 minutes old. */
  requestObject: Object.freeze({ lifetimeSeconds: 3600, ageSeconds: 3600 }),
  /** §5.2.2: S256 with pushed requests. */
  codeChallenge: 'pushed',
  nonce: 'openid',
  clientAuthMethods: CLIENT_AUTH_METHODS,
  assertionAudience: 'issuer-or-endpoint',
  /** §8.6. */
  clientAlgorithms: Object.freeze(['PS256', 'ES256'] as const),
  serverAlgorithms: Object.freeze(['ES256', 'PS256'] as const),
  encryption: 'off',
  /** §5.2.2. */
  senderConstraints: Object.freeze(['certificate'] as const),
  consentReferences: Object.freeze(['scope', 'authorization_details'] as const),
  rotatesRefreshTokens: false,
  codeSeconds: 60,
  idTokenSeconds: 300,
  clockToleranceSeconds: 10,
});
