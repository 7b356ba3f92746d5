import type { ErrorCode, ErrorDetails } from './error-catalogue.ts';
import type { OpenBankingError } from './errors.ts';

type Shown = { readonly [C in ErrorCode]?: (details: ErrorDetails[C]) => string | undefined };

const day = (date: Date) => date.toISOString();
const problemOf = ({ problem }: { readonly problem: string }) => problem;
const subjectOf = ({ subject }: { readonly subject: string }) => subject;
/** The fault first: a long name must not push it out of the text. */
const within = (subject: string, fault: string) => `${fault}, in ${subject}`;
const subjectAndProblem = ({ subject, problem }: { readonly subject: string; readonly problem: string }) =>
  within(subject, problem);
const subjectAndNeed = ({ subject, needed }: { readonly subject: string; readonly needed: string }) =>
  within(subject, `${needed} is needed`);
const unproven = ({ subject, serialNumber }: { readonly subject: string; readonly serialNumber: string }) =>
  within(subject, `serial number ${serialNumber}`);

/**
 * The evidence that a refusal names to its caller: the caller's own input, and what a public register holds about the
 * caller. A code that is absent shows its rule alone: its evidence is about other parties, about the bank's systems, or
 * the reason of a block.
 */
const SHOWN: Shown = {
  ERR_CERT_MALFORMED: problemOf,
  ERR_CERT_WEAK_KEY: ({ subject, key }) => within(subject, key),
  ERR_CERT_KEY_UNSUPPORTED: ({ subject, key }) => within(subject, key),
  ERR_CERT_WEAK_SIGNATURE: ({ subject, algorithm }) => within(subject, algorithm),
  ERR_CERT_SIGNATURE_UNSUPPORTED: ({ subject, algorithm }) => within(subject, algorithm),
  ERR_CERT_EXPIRED: ({ subject, notAfter }) => within(subject, `notAfter is ${day(notAfter)}`),
  ERR_CERT_NOT_YET_VALID: ({ subject, notBefore }) => within(subject, `notBefore is ${day(notBefore)}`),
  ERR_CERT_UNTRUSTED: ({ subject, issuer }) => within(subject, `issuer ${issuer}`),
  ERR_CERT_SELF_SIGNED: problemOf,
  ERR_CERT_SIGNATURE_INVALID: ({ subject, issuer }) => within(subject, `issuer ${issuer}`),
  ERR_CERT_NOT_A_CA: subjectOf,
  ERR_CERT_PATH_LENGTH: ({ subject, maximum }) => within(subject, `at most ${maximum}`),
  ERR_CERT_NAME_CONSTRAINTS: ({ subject, constraint }) => within(subject, constraint),
  ERR_CERT_CRITICAL_EXTENSION: ({ subject, extension }) => within(subject, extension),
  ERR_CERT_KEY_USAGE: subjectAndNeed,
  ERR_CERT_EXTENDED_KEY_USAGE: subjectAndNeed,
  ERR_CERT_POLICY: subjectAndProblem,
  ERR_CERT_PROFILE: subjectAndProblem,
  ERR_CERT_PATH_BUDGET: ({ limit, maximum }) => `${limit}: at most ${maximum}`,
  ERR_CERT_REVOKED: ({ subject, serialNumber, reason, revokedAt }) =>
    within(subject, `serial number ${serialNumber}: ${reason}, ${day(revokedAt)}`),
  ERR_CERT_REVOCATION_INVALID: unproven,
  ERR_CERT_REVOCATION_UNAVAILABLE: unproven,
  ERR_TPP_IDENTIFIER_INVALID: subjectAndProblem,
  ERR_TPP_IDENTIFIER_AMBIGUOUS: ({ subject, found }) => within(subject, found),
  ERR_TPP_STATEMENT_MISSING: ({ subject, statement }) => within(subject, statement),
  ERR_TPP_STATEMENT_INVALID: subjectAndProblem,
  ERR_TPP_CERTIFICATE_TYPE: ({ subject, found }) => within(subject, found),
  ERR_TPP_SEAL_TYPE: ({ subject, found }) => within(subject, found),
  ERR_TPP_NCA_MISMATCH: ({ authorizationNumber, found, expected }) =>
    `${authorizationNumber}: ${found} in the certificate, ${expected} in the registry`,
  ERR_TPP_NOT_REGISTERED: ({ authorizationNumber, nca }) => `${authorizationNumber} of ${nca}`,
  ERR_TPP_NOT_AUTHORIZED: ({ authorizationNumber, status, since }) =>
    `${authorizationNumber}: ${status} since ${day(since)}`,
  ERR_TPP_NOT_PASSPORTED: ({ authorizationNumber, country }) => `${authorizationNumber}: ${country}`,
  ERR_TPP_BLOCKED: ({ authorizationNumber }) => authorizationNumber,
  ERR_TPP_CLIENT_MISMATCH: ({ authorizationNumber, clientId }) =>
    `client ${clientId}, certificate of ${authorizationNumber}`,
  ERR_TPP_ROLE_MISSING: ({ scope, needed, held }) =>
    `${scope} needs ${needed}; the TPP holds ${held.length === 0 ? 'none' : held.join(', ')}`,
  ERR_CLIENT_AUTHENTICATION: problemOf,
  // Whether a code or token of another client exists is no concern of the caller.
  ERR_GRANT_INVALID: ({ problem }) =>
    /not found|(?:client|accountId) mismatch/.test(problem) ? undefined : problem,
  ERR_REQUEST_INVALID: problemOf,
  ERR_CLAIMS_INVALID: problemOf,
  ERR_AUTHORIZATION_DETAILS: problemOf,
  ERR_CONSENT_REFERENCE: problemOf,
  ERR_CONSENT_STATUS: ({ status }) => status,
  ERR_AUTHENTICATION_UNMET: problemOf,
  ERR_REQUEST_OBJECT: problemOf,
  ERR_PARAMETER_UNSUPPORTED: ({ name }) => name,
  ERR_SCOPE_UNKNOWN: ({ scope }) => scope,
  ERR_CLIENT_METHOD: problemOf,
  ERR_CLIENT_GRANT: problemOf,
  ERR_CLIENT_ASSERTION: problemOf,
  ERR_CLIENT_SUBJECT_MISMATCH: ({ property }) => property,
  ERR_CLIENT_REGISTRATION: problemOf,
  ERR_ADDRESS_LIMIT: ({ limit }) => `at most ${limit}`,
  ERR_TPP_LIMIT: ({ limit }) => `at most ${limit}`,
  ERR_CLIENT_LIMIT: ({ limit }) => `at most ${limit}`,
  ERR_TOKEN_REQUEST: problemOf,
  ERR_TOKEN_INVALID: problemOf,
  ERR_TOKEN_EXPIRED: ({ expiredAt }) => `at ${day(expiredAt)}`,
  ERR_TOKEN_UNBOUND: problemOf,
  ERR_TOKEN_BINDING: ({ presented }) => `not to ${presented}`,
  ERR_TOKEN_SCOPE: ({ needed, held }) => `needed: ${needed.join(' ')}; held: ${held.join(' ')}`,
  ERR_TOKEN_AUTHENTICATION: problemOf,
  ERR_CONSENT_INACTIVE: ({ status }) => status,
  ERR_CONSENT_ACCOUNT: problemOf,
  ERR_CONSENT_PERMISSION: ({ needed }) => `needed: ${needed}`,
  ERR_CONSENT_PAYMENT: problemOf,
  ERR_DPOP_PROOF: problemOf,
  ERR_SIGNATURE_MALFORMED: problemOf,
  ERR_SIGNATURE_TAG: problemOf,
  ERR_SIGNATURE_COVERAGE: problemOf,
  ERR_SIGNATURE_TIME: problemOf,
  ERR_SIGNATURE_ALGORITHM: problemOf,
  ERR_SIGNATURE_KEY: ({ keyId, problem }) => `${problem}: ${keyId}`,
  ERR_SIGNATURE_SEAL: problemOf,
  ERR_SIGNATURE_INVALID: ({ keyId }) => `key ${keyId}`,
  ERR_SIGNATURE_DIGEST: problemOf,
  ERR_SIGNATURE_REPLAYED: problemOf,
  ERR_DPOP_UNREGISTERED: ({ clientId }) => clientId,
  ERR_REGISTRATION_METADATA: ({ member, problem }) => `${member} ${problem}`,
  ERR_REGISTRATION_REDIRECT_URI: problemOf,
  ERR_REGISTRATION_STATEMENT: ({ rule, problem }) => `${rule} ${problem}`,
  ERR_REGISTRATION_UNAPPROVED: ({ rule, problem }) => `${rule}: ${problem}`,
  ERR_REGISTRATION_QUOTA: ({ limit }) => `at most ${limit}`,
  ERR_REGISTRATION_LIMIT: ({ limit }) => `at most ${limit}`,
  ERR_SELF_CHECK_LIMIT: ({ limit }) => `at most ${limit}`,
  ERR_CLIENT_NOT_ACTIVE: ({ status }) => status,
  ERR_HTTP_MALFORMED: problemOf,
  ERR_HTTP_MISDIRECTED: ({ expected }) => `expected ${expected}`,
  ERR_HTTP_NOT_FOUND: ({ path, isElsewhere }) =>
    isElsewhere === true ? `${path} is on the other listener` : path,
  ERR_HTTP_CONTENT: problemOf,
  ERR_HTTP_TOO_LARGE: ({ maximum }) => `at most ${maximum} bytes`,
  ERR_HTTP_TRANSFER_CODING: problemOf,
  ERR_HTTP_METHOD: ({ allowed }) => `allowed: ${allowed.join(', ')}`,
};

const MAX_EVIDENCE = 240;

/**
 * The text of an answer to the caller: code, rule, and the evidence that is the caller's own. Has the characters of an
 * `error_description` only (RFC 6749 §5.2), so that a quoted string of a header can hold the text too.
 */
export function answerText(error: OpenBankingError): string {
  const show = SHOWN[error.code] as ((details: unknown) => string | undefined) | undefined;
  const evidence = show?.(error.details);
  return evidence === undefined || evidence === '' ? error.message : `${error.message}: ${visible(evidence)}`;
}

function visible(text: string): string {
  return text
    .slice(0, MAX_EVIDENCE)
    .replaceAll('"', "'")
    .replace(/[^\x20-\x5b\x5d-\x7e]+/g, '?');
}
