import { certificate, request, unavailable, type WithProblem } from '../../error-classes.ts';

type None = Record<never, never>;
type OfSubject = { subject: string };
type Unproven = { subject: string; serialNumber: string; problems: readonly string[] };
type Blocked = { since: Date; reason: string };

/** The refusals of certificates and of the evidence about them: x509/, mutual-tls/. */
export const CERTIFICATE_REFUSALS = {
  ERR_CERT_MISSING: certificate<None>(
    'a client certificate is required on this endpoint (RFC 8705 section 2)',
  ),
  ERR_CERT_MALFORMED: certificate(
    'the client certificate is not a well-formed DER certificate (RFC 5280 section 4.1)',
  ),
  ERR_CERT_WEAK_KEY: certificate<OfSubject & { key: string }>(
    'a certificate of the path has a key that is too weak (FAPI 2.0 section 5.4.1)',
  ),
  ERR_CERT_KEY_UNSUPPORTED: certificate<OfSubject & { key: string }>(
    'a certificate of the path has a key of a kind that is not supported: RSA of 2048 to 8192 bits, P-256, P-384, P-521 and Ed25519 are',
  ),
  ERR_CERT_WEAK_SIGNATURE: certificate<OfSubject & { algorithm: string }>(
    'a certificate of the path is signed with a weak algorithm (BCP 195)',
  ),
  ERR_CERT_SIGNATURE_UNSUPPORTED: certificate<OfSubject & { algorithm: string }>(
    'a certificate of the path is signed with an algorithm that is not supported: RSA and ECDSA with SHA-2, and Ed25519, are',
  ),
  ERR_CERT_EXPIRED: certificate<OfSubject & { notAfter: Date; at: Date }>(
    'a certificate of the path has expired (RFC 5280 section 6.1.3)',
  ),
  ERR_CERT_NOT_YET_VALID: certificate<OfSubject & { notBefore: Date; at: Date }>(
    'a certificate of the path is not yet valid (RFC 5280 section 6.1.3)',
  ),
  ERR_CERT_UNTRUSTED: certificate<OfSubject & { issuer: string }>(
    'no path leads from the client certificate to a trust anchor (RFC 5280 section 6.1)',
  ),
  ERR_CERT_SELF_SIGNED: certificate<WithProblem>(
    'a self-signed certificate is good for the one client that has registered it, and for nothing else (RFC 8705 section 2.2)',
  ),
  ERR_CERT_SIGNATURE_INVALID: certificate<OfSubject & { issuer: string }>(
    'a signature of the certificate path does not verify (RFC 5280 section 6.1.3)',
  ),
  ERR_CERT_ISSUER_NOT_QUALIFIED: certificate<OfSubject & { issuer: string; problem: string }>(
    'the issuer is not granted by a trusted list to issue certificates for website authentication (TS 119 615 section 4.4)',
  ),
  ERR_CERT_NOT_A_CA: certificate<OfSubject>(
    'an issuer in the path is not a certification authority (RFC 5280 section 6.1.4)',
  ),
  ERR_CERT_PATH_LENGTH: certificate<OfSubject & { maximum: number }>(
    'the path is longer than an issuer allows (RFC 5280 section 4.2.1.9)',
  ),
  ERR_CERT_NAME_CONSTRAINTS: certificate<OfSubject & { constraint: string }>(
    'a name is outside the constraints of an issuer (RFC 5280 section 4.2.1.10)',
  ),
  ERR_CERT_CRITICAL_EXTENSION: certificate<OfSubject & { extension: string }>(
    'a certificate has a critical extension that is not understood (RFC 5280 section 4.2)',
  ),
  ERR_CERT_KEY_USAGE: certificate<OfSubject & { needed: string }>(
    'the key usage does not allow this use (RFC 5280 section 4.2.1.3)',
  ),
  ERR_CERT_EXTENDED_KEY_USAGE: certificate<OfSubject & { needed: string }>(
    'the extended key usage does not allow TLS client authentication (RFC 5280 section 4.2.1.12)',
  ),
  ERR_CERT_POLICY: certificate<OfSubject & WithProblem>(
    'the certificate policies do not allow this path (RFC 5280 section 6.1.5)',
  ),
  ERR_CERT_PROFILE: certificate<OfSubject & WithProblem>(
    'a certificate of the path was not issued by the rules (RFC 5280 section 4)',
  ),
  ERR_CERT_PATH_BUDGET: certificate<{ limit: string; maximum: number }>(
    'the certificate path takes more work than is allowed',
  ),
  ERR_CERT_REVOKED: certificate<
    OfSubject & { serialNumber: string; source: 'crl' | 'ocsp'; reason: string; revokedAt: Date }
  >('a certificate of the path has been revoked (RFC 5280 section 6.3, RFC 6960 section 2.2)'),
  ERR_CERT_REVOCATION_INVALID: certificate<Unproven>(
    'the evidence that a certificate of the path is not revoked is not valid (RFC 5280 section 6.3, RFC 6960 section 3.2)',
  ),
  ERR_CERT_REVOCATION_UNAVAILABLE: unavailable<Unproven>(
    'whether a certificate of the path is revoked cannot be had at present (RFC 5280 section 6.3)',
  ),
  ERR_OCSP_MALFORMED: unavailable('the OCSP response is not well formed (RFC 6960 section 4.2.1)'),
  ERR_CERT_BLOCKED: certificate<Blocked & { issuer: string; serialNumber: string }>(
    'the client certificate has been blocked here (PSD2 article 68)',
  ),
  ERR_NAME_MALFORMED: request('the distinguished name is not well formed (RFC 4514)'),
  ERR_CRL_MALFORMED: unavailable('a revocation list is not well formed (RFC 5280 section 5.1)'),
  ERR_CRL_UNTRUSTED: unavailable<{ issuer: string; problem: string }>(
    'no issuer of a certificate has signed its revocation list (RFC 5280 section 6.3.3)',
  ),
};
