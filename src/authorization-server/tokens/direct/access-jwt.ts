import { newIdentifier } from '../../provider-internals.ts';
import { type Signer, signJwt } from '../../signing/signer.ts';

export interface AccessJwtOptions {
  readonly issuer: string;
  /** The audience: the bank's APIs. */
  readonly resource: string;
  readonly signer: Signer;
}

/** The facts that an access token states. */
export interface AccessTokenFacts {
  /** The customer, or the client where there is none (RFC 9068 §2.2). */
  readonly subject: string;
  readonly clientId: string;
  readonly scope: string;
  /** Epoch seconds. */
  readonly iat: number;
  readonly exp: number;
  /** Of the certificate (RFC 8705 §3.1). */
  readonly thumbprint: string;
  readonly extra: Record<string, unknown>;
}

/** A JWT access token (RFC 9068) that is bound to a certificate. @throws the refusals of the signer */
export function signAccessToken(
  { issuer, resource, signer }: AccessJwtOptions,
  { subject, clientId, scope, iat, exp, thumbprint, extra }: AccessTokenFacts,
): Promise<string> {
  return signJwt(signer, {
    typ: 'at+jwt',
    claims: {
      ...extra,
      jti: newIdentifier(),
      sub: subject,
      iat,
      exp,
      scope,
      client_id: clientId,
      iss: issuer,
      aud: resource,
      cnf: { 'x5t#S256': thumbprint },
    },
  });
}
