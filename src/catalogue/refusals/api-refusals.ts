import { bank, scope, signature, token, unavailable, type WithProblem } from '../../error-classes.ts';

type None = Record<never, never>;
type OfConsent = { consentId: string };

/** The refusals of an API besides those of its access tokens. */
export const API_REFUSALS = {
  // authentication and consent of the customer: resource-server/decision/, resource-server/consent/
  ERR_TOKEN_AUTHENTICATION: token<{
    acrValues: readonly string[];
    maxAgeSeconds: number | undefined;
    problem: string;
  }>('the customer must be authenticated anew, or more strongly, for this request (RFC 9470 section 3)'),
  ERR_CONSENT_ABSENT: scope<None>(
    'this request needs the consent of a customer, and the access token is of the TPP alone',
  ),
  ERR_CONSENT_INACTIVE: scope<OfConsent & { status: string }>(
    'the consent of the customer is not in force (PSD2 article 64)',
  ),
  ERR_CONSENT_ACCOUNT: scope<OfConsent & WithProblem>(
    'the customer did not choose this account for the access (PSD2 article 67(2)(d))',
  ),
  ERR_CONSENT_PERMISSION: scope<OfConsent & { needed: string }>(
    'the consent of the customer does not cover this request (PSD2 article 67(2)(f))',
  ),
  ERR_CONSENT_PAYMENT: scope<OfConsent & WithProblem>(
    'the payment is not the one that the customer approved (RTS on strong customer authentication article 5(1))',
  ),
  ERR_CONSENT_UNAVAILABLE: unavailable<WithProblem & { issuer: string }>(
    'the issuer cannot be asked about the consent of the customer at present',
  ),

  // signatures of HTTP messages: resource-server/signatures/
  ERR_SIGNATURE_MISSING: signature<None>('the request must be signed (RFC 9421, FAPI 2.0 HTTP Signatures)'),
  ERR_SIGNATURE_MALFORMED: signature('the signature fields are not well formed (RFC 9421 section 4)'),
  ERR_SIGNATURE_TAG: signature(
    'exactly one signature must have the tag of the profile (FAPI 2.0 HTTP Signatures)',
  ),
  ERR_SIGNATURE_COVERAGE: signature(
    'the signature does not cover what it must cover (FAPI 2.0 HTTP Signatures)',
  ),
  ERR_SIGNATURE_TIME: signature('the signature was not made just now (FAPI 2.0 HTTP Signatures)'),
  ERR_SIGNATURE_ALGORITHM: signature(
    'the algorithm of the signature is not allowed for this key (RFC 9421 section 3.2)',
  ),
  ERR_SIGNATURE_KEY: signature<WithProblem & { keyId: string }>(
    'the signature must be made with a registered key of the client of the access token (RFC 9421 section 3.2)',
  ),
  ERR_SIGNATURE_SEAL: signature(
    'the signature must be made with a seal of the TPP of the access token (NextGenPSD2 chapter 12)',
  ),
  ERR_SIGNATURE_INVALID: signature<{ keyId: string }>(
    'the signature does not verify over this request (RFC 9421 section 3.2)',
  ),
  ERR_SIGNATURE_DIGEST: signature(
    'the digest is not the one of the body that was received (RFC 9530 section 2)',
  ),
  ERR_SIGNATURE_REPLAYED: signature('a signed request is accepted once here (RFC 9421 section 7.2.2)'),
  ERR_SIGNATURE_KEYS_UNAVAILABLE: unavailable<{ clientId: string }>(
    'the keys of the client cannot be had at present (RFC 9421 section 3.2)',
  ),
  ERR_SIGNATURE_SIGNER: unavailable<{ keyId: string }>('the answer cannot be signed at present'),
  ERR_UPSTREAM_UNAVAILABLE: unavailable<None>('the API behind the gateway does not answer at present'),
  ERR_SIGNATURE_ANSWER_TOO_LARGE: bank<{ maximum: number }>(
    'the answer is larger than those that are signed',
  ),
};
