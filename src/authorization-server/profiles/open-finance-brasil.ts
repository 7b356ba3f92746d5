import { fapi1Advanced } from './fapi1-advanced.ts';
import type { Profile } from './profile.ts';

/** Open Finance Brasil, security profile 1.0: FAPI 1.0 Advanced with one algorithm and named levels of assurance. */
export const openFinanceBrasil: Profile = Object.freeze({
  ...fapi1Advanced,
  name: 'open-finance-brasil',
  title: 'Open Finance Brasil, on FAPI 1.0 Advanced',
  /** §6.1: PS256 for every signature. */
  clientAlgorithms: Object.freeze(['PS256'] as const),
  serverAlgorithms: Object.freeze(['PS256'] as const),
  /** With certificates of the directory only. */
  clientAuthMethods: Object.freeze(['tls_client_auth', 'private_key_jwt'] as const),
  consentReferences: Object.freeze(['open-finance-brasil'] as const),
  market: Object.freeze({
    /** §5.2.2. */
    acrValues: Object.freeze(['urn:brasil:openbanking:loa2', 'urn:brasil:openbanking:loa3'] as const),
    keepsRefreshTokens: true,
  }),
});
