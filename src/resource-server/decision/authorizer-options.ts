import type { JSONWebKeySet } from 'jose';
import type { Clock } from '../../clock.ts';
import type { ClaimProof } from '../dpop/dpop-replay.ts';
import type { SenderConstraint } from '../token/confirmation.ts';
import type { TppCheck } from './tpp-check.ts';

export interface AuthorizerOptions {
  /** Issuer identifier of the authorization server; tokens of any other are refused. */
  readonly issuer: string;
  /** This API's resource identifier; tokens for any other are refused. */
  readonly audience: string;
  /** Where the issuer's keys are. Default: `<issuer>/jwks`, as our own server has it. */
  readonly jwksUri?: string;
  /** The issuer's keys themselves, instead of `jwksUri`. */
  readonly jwks?: JSONWebKeySet;
  /** PEM of the CA of the issuer's TLS certificate, where it is not a public one. */
  readonly caPem?: string | undefined;
  /** Reads documents of the issuer, instead of over HTTPS. */
  readonly fetchDocument?: (url: string) => Promise<Buffer>;
  /**
   * Which access tokens are taken. Default: `['jwt']`, and `['jwt', 'opaque']` when there is `introspection`. With
   * `['opaque']` every token is introspected, also one that is a JWT.
   */
  readonly formats?: readonly ('jwt' | 'opaque')[];
  /** How opaque tokens are asked about. Needed when they are taken. */
  readonly introspection?: IntrospectionOptions | undefined;
  /** How the consents behind tokens are asked about. Needed for `consentOf`, and for routes with `covers`. */
  readonly consents?: ConsentOptions | undefined;
  /**
   * Whether JWTs are looked up in the issuer's token status lists. `maxAgeSeconds` (default 2) is how old a list
   * may be when it decides: 0, or 1 to 3600. With 0 the issuer is asked at each request, by the list's entity tag, and
   * requests that wait share a question that began after each of them. `false` means that a revoked token lives until it expires.
   */
  readonly status?:
    | false
    | { readonly maxAgeSeconds?: number; readonly whenUnavailable?: 'refuse' | 'tolerate' }
    | undefined;
  /**
   * How a token may be bound to its sender. Default: `['certificate', 'certificate-and-dpop']`. With `dpop`, a token of a
   * DPoP key alone is accepted too, also from a caller without a certificate (article 34 of the RTS asks for one).
   */
  readonly senderConstraints?: readonly SenderConstraint[] | undefined;
  /** DPoP proofs (RFC 9449), for tokens that are bound to a key. */
  readonly dpop?: DpopOptions | undefined;
  /** Takes a presented certificate that has expired. Default false: its dates are checked on every request. */
  readonly allowExpiredCertificates?: boolean;
  /**
   * Checks the whole TPP besides the token: path, revocation, registry, such as the `authenticate` of a running
   * server's `authenticator`. A successful check holds for one second on a connection. Default: no check, since
   * the status list has the TPP's authorisation status.
   */
  readonly tppCheck?: TppCheck;
  /** Leeway for the clocks of issuer and resource. Default 10; the end of a token has none. */
  readonly clockToleranceSeconds?: number;
  /** Bounds of the token cache: tokens (default 100,000) and bytes (default 256 MiB). */
  readonly memory?: { readonly maxTokens?: number; readonly maxBytes?: number };
  readonly clock?: Clock;
  /** Called after each question to the issuer, for the metrics of the API. Must not throw. */
  readonly onQuestion?: ((question: IssuerQuestion) => void) | undefined;
}

/** A question about a token or a consent that the issuer was asked, and not answered from memory. */
export interface IssuerQuestion {
  readonly kind: 'introspection' | 'consent';
  /** `failed`: no answer, or one with a fault of the issuer (5xx). */
  readonly outcome: 'answered' | 'failed';
  readonly seconds: number;
}

export interface IntrospectionOptions {
  /** On the mTLS listener: the certificate is what authenticates this resource server. */
  readonly endpoint: string;
  /** Under which the authorization server knows this resource server. */
  readonly clientId: string;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** `signed` (RFC 9701) by default. */
  readonly response?: 'signed' | 'plain';
  /** How long a positive answer decides: 1 to 30, default 2. */
  readonly maxAgeSeconds?: number;
  /** How long a negative answer decides: 0 to 5, default 5. */
  readonly maxNegativeAgeSeconds?: number;
}

export interface ConsentOptions {
  /** `https://<mTLS host of the authorization server>/consent-information/`: the certificate authenticates this API. */
  readonly endpoint: string;
  /** Under which the authorization server knows this resource server. */
  readonly clientId: string;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** `signed` by default, as for introspection. */
  readonly response?: 'signed' | 'plain';
  /** How long an answer decides: 0 to 5, default 2. With 0 the issuer is asked at each request. */
  readonly maxAgeSeconds?: number;
  /** Bounds of the memory of answers: consents (default 50,000) and bytes (default 64 MiB). */
  readonly memory?: { readonly maxConsents?: number; readonly maxBytes?: number };
}

export interface DpopOptions {
  /** Scheme and authority under which clients know this API. Default: those of `audience`, if it is an https URL. */
  readonly origin?: string | undefined;
  /** Oldest proof that is taken: 1 to 300, default 60. */
  readonly maxAgeSeconds?: number;
  /** 32 secret bytes, the same in all processes of the API. When set, a nonce of ours is required in each proof. */
  readonly nonceSecret?: Buffer;
  /** Claims a proof for all processes of the API at once. Default: each process remembers its own. */
  readonly claimProof?: ClaimProof;
}

/** @throws TypeError */
export function httpsUrl(value: unknown, name: string): string {
  if (typeof value !== 'string' || !URL.canParse(value) || new URL(value).protocol !== 'https:') {
    throw new TypeError(`${name} must be an https URL`);
  }
  return value;
}

/** @throws TypeError */
export function nonEmpty(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') throw new TypeError(`${name} must be a non-empty string`);
  return value;
}

/** @throws TypeError */
export function secondsWithin([least, most]: readonly [number, number], name: string, value: number): number {
  if (!(value >= least && value <= most)) throw new TypeError(`${name} must be ${least} to ${most} seconds`);
  return value;
}
