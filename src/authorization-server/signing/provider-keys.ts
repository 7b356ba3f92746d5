import { createPublicKey, type KeyObject } from 'node:crypto';
import type { JWKS } from 'oidc-provider';
import { ExternalSigningKey } from '../provider-internals.ts';
import type { PublishedKey, Signer } from './signer.ts';

/** A key of the signer's, as oidc-provider asks for signatures (`features.externalSigningSupport`). */
class ProviderKey extends ExternalSigningKey {
  readonly #public: KeyObject;
  readonly #kid: string;
  readonly #signer: Pick<Signer, 'sign'>;

  constructor(key: PublishedKey, signer: Pick<Signer, 'sign'>) {
    super();
    this.kid = key.kid;
    this.alg = key.alg;
    this.#kid = key.kid;
    this.#public = createPublicKey({ key, format: 'jwk' });
    this.#signer = signer;
  }

  override keyObject(): KeyObject {
    return this.#public;
  }

  override sign(data: Buffer): Promise<Buffer> {
    return this.#signer.sign(this.#kid, data);
  }
}

/** The provider's `jwks`: it publishes the keys and has the signer sign. */
export function providerKeys(signer: Pick<Signer, 'sign'>, keys: readonly PublishedKey[]): JWKS {
  // The types know keys as plain JWKs only.
  return { keys: keys.map((key) => new ProviderKey(key, signer)) } as unknown as JWKS;
}
