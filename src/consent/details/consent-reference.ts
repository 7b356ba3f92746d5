/**
 * How a request names what it asks for: by scopes alone, by rich authorization requests (RFC 9396), or by a consent that the
 * bank keeps already: `openbanking_intent_id` of UK Open Banking, `AIS:…`, `PIS:…`, `PIIS:…` of the Berlin Group, or
 * `consent:…` of Open Finance Brasil.
 */
export const CONSENT_REFERENCES = Object.freeze([
  'scope',
  'authorization_details',
  'openbanking_intent_id',
  'berlin-group',
  'open-finance-brasil',
] as const);
export type ConsentReference = (typeof CONSENT_REFERENCES)[number];
