import { CLIENT_AUTH_METHODS, type Profile } from './profile.ts';
import { SENDER_CONSTRAINTS } from './sender-constraint.ts';

/** FAPI 2.0 Security Profile (Final), with tokens that are bound to a certificate, a DPoP key or both. */
export const fapi2Security: Profile = Object.freeze({
  name: 'fapi2-security',
  title: 'FAPI 2.0 Security Profile',
  providerProfile: '2.0',
  responseModes: Object.freeze({ code: Object.freeze(['query', 'fragment'] as const) }),
  signedResponses: 'never',
  pushedRequests: 'required',
  signedRequests: 'never',
  requestObject: Object.freeze({ lifetimeSeconds: 3600, ageSeconds: 3600 }),
  codeChallenge: 'always',
  nonce: 'optional',
  clientAuthMethods: CLIENT_AUTH_METHODS,
  /** §5.3.2.1: the issuer as a string, no list. */
  assertionAudience: 'issuer',
  clientAlgorithms: Object.freeze(['PS256', 'ES256', 'EdDSA'] as const),
  serverAlgorithms: Object.freeze(['ES256', 'PS256'] as const),
  encryption: 'never',
  senderConstraints: SENDER_CONSTRAINTS,
  /** §5.3.2.1 forbids rotation but in extraordinary circumstances. */
  consentReferences: Object.freeze(['scope', 'authorization_details'] as const),
  rotatesRefreshTokens: false,
  /** §5.3.2.1: at most 60 s. */
  codeSeconds: 60,
  idTokenSeconds: 300,
  /** §5.3.2.1: up to 10 s ahead must pass. */
  clockToleranceSeconds: 10,
});
