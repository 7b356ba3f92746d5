// The part of xml-crypto 6 that is used here, without the types of browsers that its own types bring.
export interface SignatureAlgorithm {
  verifySignature(signed: string, key: string, value: string): boolean;
  getSignature(): never;
  getAlgorithmName(): string;
}
export interface HashAlgorithm {
  getAlgorithmName(): string;
  getHash(xml: string): string;
}
export declare class SignedXml {
  idAttributes: readonly string[];
  SignatureAlgorithms: Readonly<Record<string, new () => SignatureAlgorithm>>;
  HashAlgorithms: Readonly<Record<string, new () => HashAlgorithm>>;
  CanonicalizationAlgorithms: Readonly<Record<string, unknown>>;
  constructor(options: { readonly publicCert: string; readonly getCertFromKeyInfo: () => null });
  loadSignature(signature: object): void;
  /** @throws where the signature value is wrong; false where a digest is */
  checkSignature(xml: string): boolean;
  /** The canonical bytes of each reference, once the signature holds. */
  getSignedReferences(): readonly string[];
}
