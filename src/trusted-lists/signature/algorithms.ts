import { createHash, createPublicKey, verify } from 'node:crypto';
import type { HashAlgorithm, SignatureAlgorithm } from 'xml-crypto';

/** RFC 9231 names of what may sign a list. No SHA-1, no HMAC. */
const SIGNATURES: Readonly<Record<string, { readonly hash: string; readonly key: 'rsa' | 'ec' }>> = {
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256': { hash: 'sha256', key: 'rsa' },
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha384': { hash: 'sha384', key: 'rsa' },
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512': { hash: 'sha512', key: 'rsa' },
  'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256': { hash: 'sha256', key: 'ec' },
  'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384': { hash: 'sha384', key: 'ec' },
  'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512': { hash: 'sha512', key: 'ec' },
};
const DIGESTS: Readonly<Record<string, string>> = {
  'http://www.w3.org/2001/04/xmlenc#sha256': 'sha256',
  'http://www.w3.org/2001/04/xmldsig-more#sha384': 'sha384',
  'http://www.w3.org/2001/04/xmlenc#sha512': 'sha512',
};

/** Whether a list may be signed with an algorithm of this name. */
export function isSignatureAlgorithm(name: string): boolean {
  return Object.hasOwn(SIGNATURES, name);
}

/** The hash behind a digest algorithm that a reference may have. */
export function digestOf(name: string): string | undefined {
  return Object.hasOwn(DIGESTS, name) ? DIGESTS[name] : undefined;
}

/** The algorithms for xml-crypto: these and no other. */
export function signatureAlgorithms(): Record<string, new () => SignatureAlgorithm> {
  return Object.fromEntries(Object.entries(SIGNATURES).map(([name, rule]) => [name, verifierOf(name, rule)]));
}

export function hashAlgorithms(): Record<string, new () => HashAlgorithm> {
  return Object.fromEntries(Object.entries(DIGESTS).map(([name, hash]) => [name, hasherOf(name, hash)]));
}

function verifierOf(name: string, { hash, key }: { hash: string; key: 'rsa' | 'ec' }) {
  return class implements SignatureAlgorithm {
    verifySignature(signed: string, certificate: string, value: string): boolean {
      const publicKey = createPublicKey(certificate);
      if (publicKey.asymmetricKeyType !== key) return false;
      // XML Signature has r and s of ECDSA side by side (RFC 9231 §2.3.6).
      const options = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
      return verify(hash, Buffer.from(signed), options, Buffer.from(value, 'base64'));
    }
    getSignature(): never {
      throw new TypeError('lists are not signed here');
    }
    getAlgorithmName() {
      return name;
    }
  } as new () => SignatureAlgorithm;
}

function hasherOf(name: string, hash: string) {
  return class implements HashAlgorithm {
    getAlgorithmName() {
      return name;
    }
    getHash(xml: string): string {
      return createHash(hash).update(xml).digest('base64');
    }
  };
}
