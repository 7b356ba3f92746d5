import { fapi2Security } from './fapi2-security.ts';
import type { Profile } from './profile.ts';

/** FAPI 2.0 Message Signing (Final): the Security Profile with signed requests and signed responses, each until it is switched off. */
export const fapi2MessageSigning: Profile = Object.freeze({
  ...fapi2Security,
  name: 'fapi2-message-signing',
  title: 'FAPI 2.0 Message Signing',
  responseModes: Object.freeze({
    code: Object.freeze(['jwt', 'query.jwt', 'fragment.jwt', 'query', 'fragment'] as const),
  }),
  signedResponses: 'on',
  signedRequests: 'on',
  /** §5.3.1: exp at most 60 minutes after nbf, nbf at most 60 minutes old. */
  requestObject: Object.freeze({ lifetimeSeconds: 3600, ageSeconds: 3600 }),
});
