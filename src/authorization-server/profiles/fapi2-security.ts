import type { Profile } from './profile.ts';

/** FAPI 2.0 Security Profile (Final), with certificate-bound tokens. */
export const fapi2Security: Profile = Object.freeze({
  name: 'fapi2-security',
  providerProfile: '2.0',
  responseTypes: Object.freeze(['code'] as const),
  clientAuthMethods: Object.freeze(['tls_client_auth', 'private_key_jwt'] as const),
  clientAlgorithms: Object.freeze(['PS256', 'ES256', 'EdDSA'] as const),
  serverAlgorithms: Object.freeze(['ES256', 'PS256'] as const),
  senderConstraint: 'certificate',
  requiresPushedRequests: true,
  /** §5.3.2.1 forbids rotation but in extraordinary circumstances. */
  rotatesRefreshTokens: false,
  /** §5.3.2.1: at most 60 s. */
  codeSeconds: 60,
  idTokenSeconds: 300,
  /** §5.3.2.1: up to 10 s ahead must pass. */
  clockToleranceSeconds: 10,
});
