import { fapi1Advanced } from './fapi1-advanced.ts';
import type { Profile } from './profile.ts';

/** Australia's Consumer Data Right, security profile: FAPI 1.0 Advanced with pushed requests and JARM only. */
export const cdrAu: Profile = Object.freeze({
  ...fapi1Advanced,
  name: 'cdr-au',
  title: 'Consumer Data Right (Australia), on FAPI 1.0 Advanced',
  responseModes: Object.freeze({ code: Object.freeze(['jwt', 'query.jwt', 'fragment.jwt'] as const) }),
  pushedRequests: 'required',
  clientAuthMethods: Object.freeze(['private_key_jwt'] as const),
  market: Object.freeze({
    acrValues: Object.freeze(['urn:cds.au:cdr:2', 'urn:cds.au:cdr:3'] as const),
    keepsRefreshTokens: true,
  }),
});
