/**
 * Every way the system says no. Domain code throws `OpenBankingError`; it knows no HTTP. Each edge (OAuth,
 * resource server, command line) owns one exhaustive table from code to answer.
 */
export interface ErrorDetails {
  // certificate: x509/, mutual-tls/
  ERR_CERT_MISSING: Record<never, never>;
  ERR_CERT_MALFORMED: { readonly problem: string };
  ERR_CERT_WEAK_KEY: { readonly subject: string; readonly key: string };
  ERR_CERT_WEAK_SIGNATURE: { readonly subject: string; readonly algorithm: string };
  ERR_CERT_EXPIRED: { readonly subject: string; readonly notAfter: Date; readonly at: Date };
  ERR_CERT_NOT_YET_VALID: { readonly subject: string; readonly notBefore: Date; readonly at: Date };
  ERR_CERT_UNTRUSTED: { readonly subject: string; readonly issuer: string };
  ERR_CERT_SIGNATURE_INVALID: { readonly subject: string; readonly issuer: string };
  ERR_CERT_NOT_A_CA: { readonly subject: string };
  ERR_CERT_PATH_LENGTH: { readonly subject: string; readonly maximum: number };
  ERR_CERT_NAME_CONSTRAINTS: { readonly subject: string; readonly constraint: string };
  ERR_CERT_CRITICAL_EXTENSION: { readonly subject: string; readonly extension: string };
  ERR_CERT_KEY_USAGE: { readonly subject: string; readonly needed: string };
  ERR_CERT_EXTENDED_KEY_USAGE: { readonly subject: string; readonly needed: string };
  ERR_CERT_POLICY: { readonly subject: string; readonly problem: string };
  ERR_CERT_PROFILE: { readonly subject: string; readonly problem: string };
  ERR_CERT_PATH_BUDGET: { readonly limit: string; readonly maximum: number };
  ERR_CERT_REVOKED: {
    readonly subject: string;
    readonly serialNumber: string;
    readonly source: 'crl' | 'ocsp';
    readonly reason: string;
    readonly revokedAt: Date;
  };
  ERR_CERT_REVOCATION_INVALID: {
    readonly subject: string;
    readonly serialNumber: string;
    readonly problems: readonly string[];
  };
  ERR_CERT_REVOCATION_UNAVAILABLE: {
    readonly subject: string;
    readonly serialNumber: string;
    readonly problems: readonly string[];
  };
  ERR_OCSP_MALFORMED: { readonly problem: string };
  ERR_CERT_BLOCKED: {
    readonly issuer: string;
    readonly serialNumber: string;
    readonly since: Date;
    readonly reason: string;
  };
  ERR_NAME_MALFORMED: { readonly problem: string };
  ERR_CRL_MALFORMED: { readonly problem: string };
  ERR_CRL_UNTRUSTED: { readonly issuer: string; readonly problem: string };

  // third-party provider: tpp/
  ERR_TPP_IDENTIFIER_INVALID: { readonly subject: string; readonly problem: string };
  ERR_TPP_STATEMENT_MISSING: { readonly subject: string; readonly statement: string };
  ERR_TPP_STATEMENT_INVALID: { readonly subject: string; readonly problem: string };
  ERR_TPP_CERTIFICATE_TYPE: { readonly subject: string; readonly found: string };
  ERR_TPP_NCA_MISMATCH: {
    readonly authorizationNumber: string;
    readonly found: string;
    readonly expected: string;
  };
  ERR_TPP_NOT_REGISTERED: { readonly authorizationNumber: string; readonly nca: string };
  ERR_TPP_NOT_AUTHORIZED: {
    readonly authorizationNumber: string;
    readonly status: string;
    readonly since: Date;
  };
  ERR_TPP_NOT_PASSPORTED: { readonly authorizationNumber: string; readonly country: string };
  ERR_TPP_BLOCKED: {
    readonly authorizationNumber: string;
    readonly nca: string;
    readonly since: Date;
    readonly reason: string;
  };
  ERR_TPP_CLIENT_MISMATCH: { readonly authorizationNumber: string; readonly clientId: string };
  ERR_TPP_ROLE_MISSING: {
    readonly authorizationNumber: string;
    readonly scope: string;
    readonly needed: string;
    readonly held: readonly string[];
  };

  // client authentication and grants: authorization-server/
  ERR_SCOPE_UNKNOWN: { readonly scope: string };
  ERR_CLIENT_AUTHENTICATION: { readonly problem: string };
  ERR_GRANT_INVALID: { readonly problem: string };
  ERR_REQUEST_INVALID: { readonly error: string; readonly problem: string };
  ERR_CLIENT_ASSERTION: { readonly clientId: string; readonly problem: string };
  ERR_CLIENT_SUBJECT_MISMATCH: { readonly clientId: string; readonly property: string };
  ERR_CLIENT_REGISTRATION: { readonly clientId: string; readonly problem: string };
  ERR_PSU_INPUT: { readonly problem: string };
  ERR_ASPSP_UNAVAILABLE: { readonly operation: string; readonly problem: string };
  ERR_ASPSP_ANSWER: { readonly operation: string; readonly place: string };

  // token: resource-server/
  ERR_TOKEN_MISSING: Record<never, never>;
  ERR_TOKEN_REQUEST: { readonly problem: string };
  ERR_TOKEN_INVALID: { readonly problem: string };
  ERR_TOKEN_EXPIRED: { readonly expiredAt: Date };
  ERR_TOKEN_UNBOUND: { readonly problem: string };
  ERR_TOKEN_BINDING: { readonly bound: string; readonly presented: string };
  ERR_TOKEN_REVOKED: { readonly statusList: string };
  ERR_TOKEN_STATUS_UNAVAILABLE: { readonly statusList: string };
  ERR_TOKEN_SCOPE: { readonly needed: readonly string[]; readonly held: readonly string[] };
  ERR_TOKEN_KEYS_UNAVAILABLE: { readonly issuer: string };
  ERR_TOKEN_INTROSPECTION_UNAVAILABLE: { readonly issuer: string; readonly problem: string };
  ERR_DPOP_PROOF: { readonly problem: string };
  ERR_DPOP_NONCE: { readonly nonce: string };
  ERR_DPOP_UNAVAILABLE: { readonly proofs: number };

  // dependencies: tpp-registry/, storage/, outbound.ts
  ERR_REGISTRY_INVALID: { readonly source: string; readonly problems: readonly Problem[] };
  ERR_BLOCK_LIST_INVALID: { readonly source: string; readonly problems: readonly Problem[] };
  ERR_STORAGE_UNAVAILABLE: { readonly operation: string };
  ERR_STORAGE_REVOKED: { readonly kind: string };
  ERR_OUTBOUND_REFUSED: { readonly host: string; readonly problem: string };
  ERR_OUTBOUND_FAILED: { readonly host: string; readonly problem: string };

  // certificates in headers: mutual-tls/proxy-headers.ts
  ERR_PROXY_UNTRUSTED: { readonly header: string; readonly peer: string };
  ERR_PROXY_HEADER: { readonly problem: string };

  // HTTP: mutual-tls/listeners.ts
  ERR_HTTP_MALFORMED: { readonly problem: string };
  ERR_HTTP_MISDIRECTED: { readonly host: string; readonly expected: string };
  ERR_HTTP_NOT_FOUND: { readonly path: string };
  ERR_HTTP_METHOD: { readonly method: string; readonly allowed: readonly string[] };

  // start-up: config.ts, cli/
  ERR_CONFIG_INVALID: { readonly source: string; readonly problems: readonly Problem[] };
}

/** One fault of a document, with its place: `path` is `tpps[3].nca`, or `line 12` when it does not parse. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

export type ErrorCode = keyof ErrorDetails;

/** What the caller is told: the rule that refused and where it is written, never the evidence. */
const RULES: { readonly [C in ErrorCode]: string } = {
  ERR_CERT_MISSING: 'a client certificate is required on this endpoint (RFC 8705 section 2)',
  ERR_CERT_MALFORMED: 'the client certificate is not a well-formed DER certificate (RFC 5280 section 4.1)',
  ERR_CERT_WEAK_KEY: 'a certificate of the path has a key that is too weak (FAPI 2.0 section 5.4.1)',
  ERR_CERT_WEAK_SIGNATURE: 'a certificate of the path is signed with a weak algorithm (BCP 195)',
  ERR_CERT_EXPIRED: 'a certificate of the path has expired (RFC 5280 section 6.1.3)',
  ERR_CERT_NOT_YET_VALID: 'a certificate of the path is not yet valid (RFC 5280 section 6.1.3)',
  ERR_CERT_UNTRUSTED: 'no path leads from the client certificate to a trust anchor (RFC 5280 section 6.1)',
  ERR_CERT_SIGNATURE_INVALID: 'a signature of the certificate path does not verify (RFC 5280 section 6.1.3)',
  ERR_CERT_NOT_A_CA: 'an issuer in the path is not a certification authority (RFC 5280 section 6.1.4)',
  ERR_CERT_PATH_LENGTH: 'the path is longer than an issuer allows (RFC 5280 section 4.2.1.9)',
  ERR_CERT_NAME_CONSTRAINTS: 'a name is outside the constraints of an issuer (RFC 5280 section 4.2.1.10)',
  ERR_CERT_CRITICAL_EXTENSION:
    'a certificate has a critical extension that is not understood (RFC 5280 section 4.2)',
  ERR_CERT_KEY_USAGE: 'the key usage does not allow this use (RFC 5280 section 4.2.1.3)',
  ERR_CERT_EXTENDED_KEY_USAGE:
    'the extended key usage does not allow TLS client authentication (RFC 5280 section 4.2.1.12)',
  ERR_CERT_POLICY: 'the certificate policies do not allow this path (RFC 5280 section 6.1.5)',
  ERR_CERT_PROFILE: 'a certificate of the path was not issued by the rules (RFC 5280 section 4)',
  ERR_CERT_PATH_BUDGET: 'the certificate path takes more work than is allowed',
  ERR_CERT_REVOKED: 'a certificate of the path has been revoked (RFC 5280 section 6.3, RFC 6960 section 2.2)',
  ERR_CERT_REVOCATION_INVALID:
    'the evidence that a certificate of the path is not revoked is not valid (RFC 5280 section 6.3, RFC 6960 section 3.2)',
  ERR_CERT_REVOCATION_UNAVAILABLE:
    'whether a certificate of the path is revoked cannot be had at present (RFC 5280 section 6.3)',
  ERR_OCSP_MALFORMED: 'the OCSP response is not well formed (RFC 6960 section 4.2.1)',
  ERR_CERT_BLOCKED: 'the client certificate has been blocked here (PSD2 article 68)',
  ERR_NAME_MALFORMED: 'the distinguished name is not well formed (RFC 4514)',
  ERR_CRL_MALFORMED: 'a revocation list is not well formed (RFC 5280 section 5.1)',
  ERR_CRL_UNTRUSTED: 'no issuer of a certificate has signed its revocation list (RFC 5280 section 6.3.3)',
  ERR_TPP_IDENTIFIER_INVALID: 'the certificate has no valid organizationIdentifier (TS 119 495 clause 5.2.1)',
  ERR_TPP_STATEMENT_MISSING: 'the certificate lacks a required QCStatement (TS 119 495 clause 5.1)',
  ERR_TPP_STATEMENT_INVALID: 'the QCStatements of the certificate are not valid (TS 119 495 clause 5.1)',
  ERR_TPP_CERTIFICATE_TYPE:
    'the certificate is not a website authentication certificate (EN 319 412-5 clause 4.2.3)',
  ERR_TPP_NCA_MISMATCH:
    'the competent authority of the certificate does not agree with the registry (TS 119 495 clause 5.2.3)',
  ERR_TPP_NOT_REGISTERED: 'the TPP of the certificate is not in the registry (PSD2 article 14)',
  ERR_TPP_NOT_AUTHORIZED: 'the TPP of the certificate is not authorized at present (PSD2 article 14)',
  ERR_TPP_NOT_PASSPORTED: 'the TPP is not authorized in this country (PSD2 article 28)',
  ERR_TPP_BLOCKED: 'the TPP of the certificate has been blocked here (PSD2 article 68)',
  ERR_TPP_CLIENT_MISMATCH:
    'the client does not belong to the TPP of the certificate (TS 119 495 clause 5.2.1)',
  ERR_TPP_ROLE_MISSING: 'the TPP does not hold the role that the scope needs (TS 119 495 clause 5.2.2)',
  ERR_CLIENT_AUTHENTICATION: 'the client could not be authenticated (RFC 6749 section 5.2)',
  ERR_GRANT_INVALID: 'the grant is unknown, over, used or of another client (RFC 6749 section 5.2)',
  ERR_REQUEST_INVALID: 'the request does not follow the protocol of this endpoint',
  ERR_SCOPE_UNKNOWN: 'the scope is not one that this server and this client know (RFC 6749 section 3.3)',
  ERR_CLIENT_ASSERTION:
    'the client assertion does not follow the rules (FAPI 2.0 section 5.3.2.1, RFC 7523 section 3)',
  ERR_CLIENT_SUBJECT_MISMATCH:
    'the certificate subject is not the one registered for the client (RFC 8705 section 2.1.2)',
  ERR_CLIENT_REGISTRATION: 'the client cannot be registered or ended (RFC 7591 section 3.2.2)',
  ERR_PSU_INPUT: 'the form was not sent from this page, or does not fit it',
  ERR_ASPSP_UNAVAILABLE: 'the systems of the bank do not answer at present',
  ERR_ASPSP_ANSWER: 'the systems of the bank gave an answer that cannot be used',
  ERR_TOKEN_MISSING: 'an access token is required (RFC 6750 section 2.1)',
  ERR_TOKEN_REQUEST:
    'exactly one access token must be sent, in the Authorization header (RFC 6750 section 2)',
  ERR_TOKEN_INVALID: 'the access token is not valid (RFC 9068 section 4)',
  ERR_TOKEN_EXPIRED: 'the access token has expired (RFC 9068 section 4)',
  ERR_TOKEN_UNBOUND: 'the access token is not bound to a certificate (RFC 8705 section 3)',
  ERR_TOKEN_BINDING: 'the access token is bound to another certificate (RFC 8705 section 3)',
  ERR_TOKEN_REVOKED: 'the access token has been revoked (Token Status List)',
  ERR_TOKEN_STATUS_UNAVAILABLE: 'the status of the access token cannot be had at present (Token Status List)',
  ERR_TOKEN_SCOPE: 'the access token does not have the scope that this request needs (RFC 6750 section 3.1)',
  ERR_TOKEN_KEYS_UNAVAILABLE: 'the keys of the issuer cannot be had at present (RFC 9068 section 4)',
  ERR_TOKEN_INTROSPECTION_UNAVAILABLE:
    'the issuer cannot be asked about the access token at present (RFC 7662 section 2)',
  ERR_DPOP_PROOF: 'the DPoP proof is missing or not valid for this request and token (RFC 9449 section 4.3)',
  ERR_DPOP_NONCE: 'the DPoP proof must hold the nonce of this server (RFC 9449 section 9)',
  ERR_DPOP_UNAVAILABLE: 'no more DPoP proofs can be remembered at present (RFC 9449 section 11.1)',
  ERR_REGISTRY_INVALID: 'the TPP registry is not valid',
  ERR_BLOCK_LIST_INVALID: 'the block list is not valid',
  ERR_STORAGE_UNAVAILABLE: 'the store is not available at present',
  ERR_STORAGE_REVOKED: 'the grant has been revoked (RFC 6749 section 5.2)',
  ERR_OUTBOUND_REFUSED: 'the address may not be fetched',
  ERR_OUTBOUND_FAILED: 'the address could not be fetched',
  ERR_PROXY_UNTRUSTED:
    'a client certificate may come in a header from a trusted proxy only (RFC 9440 section 4)',
  ERR_PROXY_HEADER: 'the forwarded client certificate is not well formed (RFC 9440 section 2)',
  ERR_HTTP_MALFORMED: 'the request is not well formed (RFC 9112)',
  ERR_HTTP_MISDIRECTED: 'this listener does not serve that host (RFC 9110 section 15.5.20)',
  ERR_HTTP_NOT_FOUND: 'there is nothing at this address on this listener',
  ERR_HTTP_METHOD: 'this address does not allow the method (RFC 9110 section 15.5.6)',
  ERR_CONFIG_INVALID: 'the configuration is not valid',
};

/** Every code, for exhaustive tables and their tests. */
export const ERROR_CODES = Object.freeze(Object.keys(RULES)) as readonly ErrorCode[];

/**
 * A refusal: a code of the catalogue and the facts that led to it.
 *
 * `details` and `cause` are evidence for the log. `rule` is the sentence for the caller.
 */
export class OpenBankingError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'OpenBankingError';
  readonly code: C;
  readonly details: ErrorDetails[C];

  constructor(code: C, details: ErrorDetails[C], options?: { readonly cause?: unknown }) {
    super(`${code}: ${RULES[code]}`, options);
    this.code = code;
    this.details = details;
  }

  /** The rule that refused, safe to show to the caller. */
  get rule(): string {
    return RULES[this.code];
  }
}

/** The rule of a code, as callers see it. */
export function ruleOf(code: ErrorCode): string {
  return RULES[code];
}

/** Whether `value` is a refusal, of one of the given codes if any are named. */
export function isRefusal<C extends ErrorCode>(value: unknown, ...codes: C[]): value is OpenBankingError<C> {
  return (
    value instanceof OpenBankingError && (codes.length === 0 || (codes as ErrorCode[]).includes(value.code))
  );
}
