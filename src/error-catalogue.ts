import { API_REFUSALS } from './catalogue/refusals/api-refusals.ts';
import { AUDIT_REFUSALS } from './catalogue/refusals/audit-refusals.ts';
import { APPROVAL_REFUSALS } from './catalogue/refusals/approval-refusals.ts';
import { BANK_API_REFUSALS } from './catalogue/refusals/bank-api-refusals.ts';
import { CERTIFICATE_REFUSALS } from './catalogue/refusals/certificate-refusals.ts';
import { CONSENT_REFUSALS } from './catalogue/refusals/consent-refusals.ts';
import { LOAD_REFUSALS } from './catalogue/refusals/load-refusals.ts';
import { MANAGEMENT_REFUSALS } from './catalogue/refusals/management-refusals.ts';
import { REGISTRATION_REFUSALS } from './catalogue/refusals/registration-refusals.ts';
import { SIGNING_REFUSALS } from './catalogue/refusals/signing-refusals.ts';
import {
  address,
  bank,
  client,
  configuration,
  content,
  document,
  grant,
  http,
  limit,
  method,
  misdirected,
  notFound,
  proof,
  proxy,
  request,
  scope,
  token,
  tpp,
  unavailable,
  type Definition,
  type WithProblem,
} from './error-classes.ts';

/** One fault of a document, with its place: `path` is `tpps[3].nca`, or `line 12` when it does not parse. */
export interface Problem {
  readonly path: string;
  readonly message: string;
  /** Where the value comes from: `tallystick.yaml:12`, or a variable of the environment. */
  readonly origin?: string;
}

type None = Record<never, never>;
type OfSubject = { subject: string };
type OfDocument = { source: string; problems: readonly Problem[] };
type OfList = { source: string; problem: string };
type OfHost = { host: string; problem: string; status?: number };
type Blocked = { since: Date; reason: string };

/**
 * Every refusal of the system: each code with its class, the type of its evidence and its rule. Each edge (OAuth,
 * resource server, command line) maps classes to its answers, so that a new code is one entry here.
 */
export const CATALOGUE = {
  ...CERTIFICATE_REFUSALS,
  ...CONSENT_REFUSALS,
  ...BANK_API_REFUSALS,
  ...LOAD_REFUSALS,
  ...REGISTRATION_REFUSALS,
  ...SIGNING_REFUSALS,
  ...MANAGEMENT_REFUSALS,

  // third-party providers: tpp/
  ERR_TPP_IDENTIFIER_INVALID: tpp<OfSubject & WithProblem>(
    'the certificate has no valid organizationIdentifier (TS 119 495 clause 5.2.1)',
  ),
  ERR_TPP_IDENTIFIER_AMBIGUOUS: tpp<OfSubject & { found: string }>(
    'the certificate has several organizationIdentifiers, and must have one (TS 119 495 clause 5.2.1)',
  ),
  ERR_TPP_STATEMENT_MISSING: tpp<OfSubject & { statement: string }>(
    'the certificate lacks a required QCStatement (TS 119 495 clause 5.1)',
  ),
  ERR_TPP_STATEMENT_INVALID: tpp<OfSubject & WithProblem>(
    'the QCStatements of the certificate are not valid (TS 119 495 clause 5.1)',
  ),
  ERR_TPP_CERTIFICATE_TYPE: tpp<OfSubject & { found: string }>(
    'the certificate is not a website authentication certificate (EN 319 412-5 clause 4.2.3)',
  ),
  ERR_TPP_NCA_MISMATCH: tpp<{ authorizationNumber: string; found: string; expected: string }>(
    'the competent authority of the certificate does not agree with the registry (TS 119 495 clause 5.2.3)',
  ),
  ERR_TPP_AMBIGUOUS: tpp<{ authorizationNumber: string; entities: readonly string[] }>(
    'the register has more than one institution under the number of the TPP',
  ),
  ERR_TPP_NOT_REGISTERED: tpp<{ authorizationNumber: string; nca: string }>(
    'the TPP of the certificate is not in the registry (PSD2 article 14)',
  ),
  ERR_TPP_NOT_AUTHORIZED: tpp<{ authorizationNumber: string; status: string; since: Date }>(
    'the TPP of the certificate is not authorized at present (PSD2 article 14)',
  ),
  ERR_TPP_NOT_PASSPORTED: tpp<{ authorizationNumber: string; country: string }>(
    'the TPP is not authorized in this country (PSD2 article 28)',
  ),
  ERR_TPP_BLOCKED: tpp<Blocked & { authorizationNumber: string; nca: string }>(
    'the TPP of the certificate has been blocked here (PSD2 article 68)',
  ),
  ERR_TPP_CLIENT_MISMATCH: tpp<{ authorizationNumber: string; clientId: string }>(
    'the client does not belong to the TPP of the certificate (TS 119 495 clause 5.2.1)',
  ),
  ERR_TPP_ROLE_MISSING: scope<{
    authorizationNumber: string;
    scope: string;
    needed: string;
    held: readonly string[];
  }>('the TPP does not hold the role that the scope needs (TS 119 495 clause 5.2.2)'),

  // clients, grants and customers: authorization-server/
  ERR_CLIENT_AUTHENTICATION: client('the client could not be authenticated (RFC 6749 section 5.2)'),
  ERR_GRANT_INVALID: grant('the grant is unknown, over, used or of another client (RFC 6749 section 5.2)'),
  ERR_REQUEST_INVALID: request<{ error: string; problem: string }>(
    'the request does not follow the protocol of this endpoint',
  ),
  ERR_CLAIMS_INVALID: request('the claims parameter is not well formed (OpenID Connect Core section 5.5)'),
  ERR_AUTHENTICATION_UNMET: request(
    'the login does not meet what the request demands of it (OpenID Connect Core section 5.5.1.1)',
  ),
  ERR_PARAMETER_UNSUPPORTED: request<{ name: string }>(
    'the parameter belongs to a standard that this server does not support',
  ),
  ERR_REQUEST_OBJECT: request(
    'the request object does not follow the rules (RFC 9101 section 6, FAPI 2.0 Message Signing section 5.3)',
  ),
  ERR_SCOPE_MISSING: scope<None>('at least one scope must be asked for and allowed (RFC 6749 section 3.3)'),
  ERR_SCOPE_UNKNOWN: scope<{ scope: string }>(
    'the scope is not one that this server and this client know (RFC 6749 section 3.3)',
  ),
  ERR_CLIENT_METHOD: client(
    'a client authenticates by tls_client_auth or private_key_jwt, and by nothing else (FAPI 2.0 section 5.3.2.1)',
  ),
  ERR_CLIENT_GRANT: client('the registration of the client does not have this grant (RFC 6749 section 5.2)'),
  ERR_CLIENT_ASSERTION: client<{ clientId?: string; problem: string }>(
    'the client assertion does not follow the rules (FAPI 2.0 section 5.3.2.1, RFC 7523 section 3)',
  ),
  ERR_CLIENT_SUBJECT_MISMATCH: client<{ clientId: string; property: string }>(
    'the certificate subject is not the one registered for the client (RFC 8705 section 2.1.2)',
  ),
  ERR_CLIENT_REGISTRATION: request<{ clientId: string; problem: string }>(
    'the client cannot be registered or ended (RFC 7591 section 3.2.2)',
  ),
  ERR_CLIENT_LIMIT: limit<{ clientId: string; model: string; limit: number; seconds: number }>(
    'the client has sent more requests than it may in a minute (RFC 6585 section 4)',
  ),
  ERR_PSU_INPUT: request('the link or form belongs to no page that is in use in this browser'),
  ERR_ASPSP_UNAVAILABLE: unavailable<{ operation: string; problem: string }>(
    'the systems of the bank do not answer at present',
  ),
  ERR_ASPSP_ANSWER: bank<{ operation: string; place: string }>(
    'the systems of the bank gave an answer that cannot be used',
  ),
  ERR_PAGE_TEMPLATE: bank<{ template: string; line?: number }>(
    'the page cannot be shown: a template of the bank fails',
  ),

  ...APPROVAL_REFUSALS,

  // tokens: resource-server/
  ERR_TOKEN_MISSING: token<None>('an access token is required (RFC 6750 section 2.1)'),
  ERR_TOKEN_REQUEST: request(
    'exactly one access token must be sent, in the Authorization header (RFC 6750 section 2)',
  ),
  ERR_TOKEN_INVALID: token('the access token is not valid (RFC 9068 section 4)'),
  ERR_TOKEN_EXPIRED: token<{ expiredAt: Date }>('the access token has expired (RFC 9068 section 4)'),
  ERR_TOKEN_UNBOUND: token(
    'the access token is not bound to its sender in a way that this API accepts (RFC 8705 section 3, RFC 9449 section 6)',
  ),
  ERR_TOKEN_BINDING: token<{ bound: string; presented: string }>(
    'the access token is bound to another certificate (RFC 8705 section 3)',
  ),
  ERR_TOKEN_REVOKED: token<{ statusList: string }>('the access token has been revoked (Token Status List)'),
  ERR_TOKEN_STATUS_UNAVAILABLE: unavailable<{ statusList: string }>(
    'the status of the access token cannot be had at present (Token Status List)',
  ),
  ERR_TOKEN_SCOPE: scope<{ needed: readonly string[]; held: readonly string[] }>(
    'the access token does not have the scope that this request needs (RFC 6750 section 3.1)',
  ),
  ERR_TOKEN_KEYS_UNAVAILABLE: unavailable<{ issuer: string }>(
    'the keys of the issuer cannot be had at present (RFC 9068 section 4)',
  ),
  ERR_TOKEN_INTROSPECTION_UNAVAILABLE: unavailable<{ issuer: string; problem: string }>(
    'the issuer cannot be asked about the access token at present (RFC 7662 section 2)',
  ),
  ERR_DPOP_PROOF: proof(
    'the DPoP proof is missing or not valid for this request and token (RFC 9449 section 4.3)',
  ),
  ERR_DPOP_KEY: proof<None>(
    'the DPoP proof is of another key than this authorization is bound to (RFC 9449 section 10)',
  ),
  ERR_DPOP_UNREGISTERED: request<{ clientId: string }>(
    'the client is not registered for DPoP: its sender_constraint is certificate (RFC 9449 section 5.2)',
  ),
  ERR_DPOP_NONCE: proof<{ nonce: string }>(
    'the DPoP proof must hold the nonce of this server (RFC 9449 section 9)',
  ),
  ERR_DPOP_UNAVAILABLE: unavailable<{ proofs: number }>(
    'no more DPoP proofs can be remembered at present (RFC 9449 section 11.1)',
  ),

  ...API_REFUSALS,

  // what a process depends on: tpp-registry/, storage/, remote/
  ERR_REGISTER_INVALID: document<OfList>('a copy of a public register is not valid'),
  ERR_REGISTER_TOKEN: unavailable<OfHost>('the directory gives no access token to this server'),
  ERR_REGISTER_ROLLBACK: document<{ source: string; snapshotAt: Date; before: Date }>(
    'a copy of a public register is older than the one before',
  ),
  ERR_REGISTRY_OVERDUE: unavailable<{ source: string; since: Date }>(
    'the register that decides about the TPP was not renewed for too long',
  ),
  ERR_TRUSTED_LIST_OVERDUE: unavailable<{ territory: string; since: Date }>(
    'the trusted list that has the issuer of the certificate is no longer good (TS 119 612 section 5.3.15)',
  ),
  ERR_TRUSTED_LIST_MALFORMED: document<OfList>('a trusted list is not well formed (TS 119 612)'),
  ERR_TRUSTED_LIST_SIGNATURE: document<OfList>(
    'the signature of a trusted list does not verify (TS 119 612 section 5.7)',
  ),
  ERR_TRUSTED_LIST_SIGNER: document<{ source: string; fingerprints: readonly string[] }>(
    'a trusted list is signed by a certificate that may not sign it (TS 119 612 section 5.3.13)',
  ),
  ERR_TRUSTED_LIST_ROLLBACK: document<{ source: string; sequenceNumber: number; before: number }>(
    'a trusted list is older than the one that was proved before (TS 119 612 section 5.3.2)',
  ),
  ERR_TRUSTED_LIST_SNAPSHOT: document<OfDocument>('the file of proved trusted lists is not valid'),
  ERR_REGISTRY_INVALID: document<OfDocument>('the TPP registry is not valid'),
  ERR_BLOCK_LIST_INVALID: document<OfDocument>('the block list is not valid'),
  ERR_SERVER_NOT_READY: unavailable<{ reason: string }>(
    'the server cannot serve requests at the moment: try again',
  ),
  ...AUDIT_REFUSALS,
  ERR_STORAGE_UNAVAILABLE: unavailable<{ operation: string }>('the store is not available at present'),
  ERR_STORAGE_REVOKED: grant<{ kind: string }>('the grant has been revoked (RFC 6749 section 5.2)'),
  ERR_OUTBOUND_REFUSED: address<OfHost>('the address may not be fetched'),
  ERR_OUTBOUND_FAILED: unavailable<OfHost>('the address could not be fetched'),
  ERR_OUTBOUND_ANSWER: unavailable<OfHost>('the answer of the address cannot be used'),

  // certificates in headers: mutual-tls/
  ERR_PROXY_UNTRUSTED: proxy<{ header: string; peer: string }>(
    'a client certificate may come in a header from a trusted proxy only (RFC 9440 section 4)',
  ),
  ERR_PROXY_HEADER: proxy('the forwarded client certificate is not well formed (RFC 9440 section 2)'),

  // HTTP: mutual-tls/listeners.ts
  ERR_HTTP_MALFORMED: http('the request is not well formed (RFC 9112)'),
  ERR_HTTP_MISDIRECTED: misdirected<{ host: string; expected: string }>(
    'this listener does not serve that host (RFC 9110 section 15.5.20)',
  ),
  ERR_HTTP_NOT_FOUND: notFound<{ path: string; isElsewhere?: boolean }>(
    'there is nothing at this address on this listener',
  ),
  ERR_HTTP_CONTENT: content('the body must be a plain form in UTF-8 (RFC 6749 section 3.2)'),
  ERR_HTTP_TOO_LARGE: http<{ maximum: number }>('the body is too large (RFC 9110 section 15.5.14)'),
  ERR_HTTP_TRANSFER_CODING: http('the transfer coding is not understood (RFC 9112 section 6.1)'),
  ERR_HTTP_METHOD: method<{ method: string; allowed: readonly string[] }>(
    'this address does not allow the method (RFC 9110 section 15.5.6)',
  ),

  // connections: mutual-tls/limits/. None of them is answered: the connection is closed.
  ERR_CONNECTION_LIMIT: http<{ limit: string; most: number }>(
    'this address, or this server, has as many connections as it may have',
  ),
  ERR_HANDSHAKE_BUDGET: http<{ handshakePercent: number }>(
    'the TLS handshakes of this address have used the CPU time that one address may use',
  ),
  ERR_HANDSHAKE_TOO_LARGE: http<{ maxBytes: number }>(
    'a TLS handshake sent more bytes than a client certificate with its chain has',
  ),
  ERR_ANSWERS_UNREAD: http('a connection asks more than it reads the answers of (RFC 9112 section 9.3.2)'),

  // the start: configuration/, cli/
  ERR_CONFIG_INVALID: configuration<OfDocument>('the configuration is not valid'),
};

type Catalogue = typeof CATALOGUE;
export type ErrorCode = keyof Catalogue;
/** The class of a refusal, which each edge maps to its answer. */
export type ErrorClass = Catalogue[ErrorCode]['class'];
export type ErrorDetails = {
  readonly [C in ErrorCode]: Catalogue[C] extends Definition<ErrorClass, infer Details>
    ? Readonly<Details>
    : never;
};
