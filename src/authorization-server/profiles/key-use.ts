import type { JWK } from 'jose';
import type { ClientAuthMethod } from './profile.ts';

/** A registration, as far as it has keys. */
interface KeyHolder {
  readonly token_endpoint_auth_method: ClientAuthMethod;
  readonly jwks?: { readonly keys: readonly JWK[] } | undefined;
}

/**
 * Whether a key of a client is the certificate by which the client authenticates (RFC 8705 §2.2.2), and no key for
 * signatures: `use: tls`, or a certificate without a use.
 */
export function isForTls({ use, x5c }: Pick<JWK, 'use' | 'x5c'>): boolean {
  return use === 'tls' || (use === undefined && x5c !== undefined);
}

/** The registered keys by value that are for signatures and encryption; undefined where there is none. */
export function messageKeysOf(client: KeyHolder): readonly JWK[] | undefined {
  const { jwks, token_endpoint_auth_method: method } = client;
  if (method !== 'self_signed_tls_client_auth') return jwks?.keys;
  const keys = jwks?.keys.filter((key) => !isForTls(key)) ?? [];
  return keys.length === 0 ? undefined : keys;
}
