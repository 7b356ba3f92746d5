import type { SignatureAlgorithm } from '../signing/signer.ts';

/** How a client authenticates (RFC 8705 §2, RFC 7523). */
type ClientAuthMethod = 'tls_client_auth' | 'private_key_jwt';
/**
 * The demands of one FAPI profile: a frozen value, from which the provider's configuration and the metadata of each
 * client are computed (profiles.ts). A profile is one file with such a value, and its line in `PROFILES`.
 */
export interface Profile {
  /** Unique; the provider's clients carry it as `profile`. */
  readonly name: string;
  /** The provider's name for the rules that it enforces itself: `redirect_uri`, PKCE, request objects. */
  readonly providerProfile: '1.0 Final' | '2.0';
  readonly responseTypes: readonly 'code'[];
  /** The first is the default. */
  readonly clientAuthMethods: readonly [ClientAuthMethod, ...ClientAuthMethod[]];
  /** Algorithms with which a client may sign assertions and request objects. */
  readonly clientAlgorithms: readonly SignatureAlgorithm[];
  /** Algorithms with which this server may sign ID tokens, responses and introspection for a client. The first is the default. */
  readonly serverAlgorithms: readonly ['ES256' | 'PS256', ...('ES256' | 'PS256')[]];
  /** The binding of access tokens (RFC 8705 §3, RFC 9449). */
  readonly senderConstraint: 'certificate';
  /** Whether an authorization request must be pushed first (RFC 9126). */
  readonly requiresPushedRequests: boolean;
  /** Whether a refresh token ends with its use. A bank's configuration may demand rotation beyond the profile. */
  readonly rotatesRefreshTokens: boolean;
  readonly codeSeconds: number;
  readonly idTokenSeconds: number;
  /** How far the clock of a client may be ahead. */
  readonly clockToleranceSeconds: number;
}
