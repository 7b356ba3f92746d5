import { fapi1Advanced } from './fapi1-advanced.ts';
import type { Profile } from './profile.ts';

/** UK Open Banking, Read/Write API security profile: FAPI 1.0 Advanced with the intent of the consent in each request. */
export const ukOpenBanking: Profile = Object.freeze({
  ...fapi1Advanced,
  name: 'uk-open-banking',
  title: 'UK Open Banking, on FAPI 1.0 Advanced',
  /** With certificates of the directory only. */
  clientAuthMethods: Object.freeze(['tls_client_auth', 'private_key_jwt'] as const),
  consentReferences: Object.freeze(['openbanking_intent_id'] as const),
  market: Object.freeze({
    /** `sca`: strong customer authentication; `ca`: an exemption from it. */
    acrValues: Object.freeze(['urn:openbanking:psd2:sca', 'urn:openbanking:psd2:ca'] as const),
    keepsRefreshTokens: false,
  }),
});
