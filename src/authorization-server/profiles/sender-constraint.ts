import type { ClientMetadata } from 'oidc-provider';

/**
 * The proofs of possession that a client's access tokens demand (FAPI 2.0 §5.3.2.1): the certificate (RFC 8705 §3), a
 * DPoP key besides, or the DPoP key alone (RFC 9449).
 */
export const SENDER_CONSTRAINTS = Object.freeze(['certificate', 'certificate-and-dpop', 'dpop'] as const);
export type SenderConstraint = (typeof SENDER_CONSTRAINTS)[number];

/** Algorithms of DPoP proofs (FAPI 2.0 §5.4.1). */
export const PROOF_ALGORITHMS = Object.freeze(['ES256', 'PS256', 'EdDSA'] as const);

export function isBoundToCertificate(constraint: SenderConstraint): boolean {
  return constraint !== 'dpop';
}

export function isBoundToKey(constraint: SenderConstraint): boolean {
  return constraint !== 'certificate';
}

/**
 * The provider's metadata of a client's sender constraint. The provider knows one proof of possession for a client: where
 * both are demanded, the provider demands the DPoP key, and token-binding.ts the certificate.
 */
export function senderConstraintMetadata(constraint: SenderConstraint) {
  return {
    sender_constraint: constraint,
    tls_client_certificate_bound_access_tokens: !isBoundToKey(constraint),
    dpop_bound_access_tokens: isBoundToKey(constraint),
  } satisfies Partial<ClientMetadata>;
}

/** The sender constraint of a client of the provider. */
export function senderConstraintOf(client: Readonly<Record<string, unknown>>): SenderConstraint {
  const found = SENDER_CONSTRAINTS.find((constraint) => constraint === client.sender_constraint);
  if (found === undefined) throw new TypeError('a client of the provider has no sender constraint');
  return found;
}

/** The server's metadata (RFC 8705 §3.3, RFC 9449 §5.1) where clients may have these profiles. */
export function senderConstraintDiscovery(
  profiles: readonly { readonly senderConstraints: readonly SenderConstraint[] }[],
) {
  const allowed = profiles.flatMap(({ senderConstraints }) => senderConstraints);
  return {
    tls_client_certificate_bound_access_tokens: allowed.some(isBoundToCertificate),
    dpop_signing_alg_values_supported: allowed.some(isBoundToKey) ? [...PROOF_ALGORITHMS] : undefined,
  };
}
