import { createHash } from 'node:crypto';
import { isRefusal, type Problem } from '../../../errors.ts';
import { type Certificate, parseCertificate } from '../../../x509/certificate/certificate.ts';
import { isForTls } from '../../profiles/key-use.ts';
import type { ClientAuthMethod } from '../../profiles/profile.ts';

type Members = Readonly<Record<string, unknown>>;

/** RFC 8705 §2.2.1. */
export const SELF_SIGNED_METHOD: ClientAuthMethod = 'self_signed_tls_client_auth';

/** The thumbprints (`x5t#S256`) of the certificates by which a client of these keys may authenticate. */
export function certificatesOf(keys: readonly Members[]): readonly string[] {
  return keys.filter(isForTls).flatMap((key) => {
    const der = certificateIn(key);
    return der === undefined ? [] : [createHash('sha256').update(der).digest('base64url')];
  });
}

/** The first certificate of a key, in plain base64 (RFC 7517 §4.7). */
function certificateIn({ x5c }: Members): Buffer | undefined {
  const first: unknown = Array.isArray(x5c) ? x5c[0] : undefined;
  return typeof first === 'string' ? Buffer.from(first, 'base64') : undefined;
}

interface CertificateHolder {
  readonly token_endpoint_auth_method: ClientAuthMethod;
  readonly jwks?: { readonly keys: readonly Members[] } | undefined;
  readonly jwks_uri?: string | undefined;
}

/** Which rules about certificates in its keys a registration breaks (RFC 8705 §2.2.2, RFC 7517 §4.7). */
export function findCertificateProblems(client: CertificateHolder): readonly Problem[] {
  const { token_endpoint_auth_method: method, jwks, jwks_uri: address } = client;
  const path = 'jwks';
  const keys = jwks?.keys ?? [];
  if (method !== SELF_SIGNED_METHOD) {
    const isOdd = keys.some(({ use }) => use === 'tls');
    return isOdd ? [{ path, message: `has a key with the use tls, which is for ${SELF_SIGNED_METHOD}` }] : [];
  }
  const forTls = keys.filter(isForTls);
  if (address === undefined && forTls.length === 0) {
    return [
      { path, message: `or jwks_uri is required for ${SELF_SIGNED_METHOD}: with the certificate in x5c` },
    ];
  }
  return forTls.flatMap((key) => {
    const problem = findProblem(key);
    return problem === undefined ? [] : [{ path, message: `has a certificate in x5c that ${problem}` }];
  });
}

/** Why a key can never be that of a connection: shown to the person who registers it. */
function findProblem(key: Members): string | undefined {
  const der = certificateIn(key);
  if (der === undefined) return 'is missing (use tls)';
  let certificate: Certificate;
  try {
    certificate = parseCertificate(der);
  } catch (error) {
    if (!isRefusal(error, 'ERR_CERT_MALFORMED')) throw error;
    return `is no certificate: ${error.details.problem}`;
  }
  const own = certificate.publicKey.export({ format: 'jwk' }) as Members;
  const isSame = ['kty', 'crv', 'x', 'y', 'n', 'e'].every((name) => own[name] === key[name]);
  return isSame ? undefined : 'is of another key (RFC 7517 section 4.7)';
}
