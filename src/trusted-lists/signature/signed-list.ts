import { createHash, timingSafeEqual } from 'node:crypto';
import { SignedXml } from 'xml-crypto';
import { OpenBankingError } from '../../errors.ts';
import { decodeList, parseXml } from '../xml/document.ts';
import { ListElement } from '../xml/elements.ts';
import { digestOf, hashAlgorithms, isSignatureAlgorithm, signatureAlgorithms } from './algorithms.ts';

const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';
const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const INCLUSIVE = 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315';
const SIGNED_PROPERTIES = 'http://uri.etsi.org/01903#SignedProperties';

/** A list whose signature holds. */
export interface SignedList {
  /** The root, parsed from the very bytes that were signed. */
  readonly root: ListElement;
  /** DER of the certificate that signed: one of those that were allowed. */
  readonly signer: Buffer;
  readonly signedAt: Date;
}

/**
 * Verifies the XAdES signature of a trusted list (TS 119 612 §5.7, EN 319 132-1 baseline B): exactly one, enveloped, over
 * the whole list and its own signed properties, by one of `signers`, byte for byte.
 *
 * The content comes from the signed bytes alone. Not checked: dates and revocation of the signer's certificate (whoever
 * names it vouches for it), time-stamps.
 *
 * @param signers DER of the certificates that may sign this list
 * @throws ERR_TRUSTED_LIST_MALFORMED, ERR_TRUSTED_LIST_SIGNATURE, ERR_TRUSTED_LIST_SIGNER
 */
export function verifySignedList(
  bytes: Uint8Array,
  { source, signers }: { readonly source: string; readonly signers: readonly Buffer[] },
): SignedList {
  const text = decodeList(bytes, source);
  const root = new ListElement(parseXml(text, source), source);
  if (!root.is('TrustServiceStatusList')) throw root.malformed('its root is no TrustServiceStatusList');
  const signature = onlySignature(root);
  const properties = assertForm(root, signature);
  const signer = signerOf(signature, signers);
  assertSigningCertificate(properties, signer);
  const signedAt = signedSignatureProperties(properties).only('SigningTime', 'xades').instant();
  const content = signedBytes(text, { signature, signer });
  const signed = new ListElement(parseXml(content, source), source);
  if (!signed.is('TrustServiceStatusList')) throw refused(signed, 'the list itself is not what is signed');
  return { root: signed, signer, signedAt };
}

function refused(at: ListElement, problem: string, cause?: unknown): OpenBankingError {
  return new OpenBankingError('ERR_TRUSTED_LIST_SIGNATURE', { source: at.source, problem }, { cause });
}

/** The one signature of the document, a child of its root: a second one could be what another reader looks at. */
function onlySignature(root: ListElement): ListElement {
  const [signature, second] = descendants(root).filter((element) => element.is('Signature', 'signature'));
  if (signature === undefined) throw refused(root, 'there is none');
  if (second !== undefined) throw refused(root, 'there is more than one');
  if (signature.element.parentNode !== root.element) throw refused(root, 'it is not a child of the root');
  return signature;
}

function descendants(element: ListElement): ListElement[] {
  return element.children().flatMap((child) => [child, ...descendants(child)]);
}

/** Checks algorithms, references and what they point at. Returns the signed properties. */
function assertForm(root: ListElement, signature: ListElement): ListElement {
  const info = signature.only('SignedInfo', 'signature');
  const canonicalization = algorithmOf(info.only('CanonicalizationMethod', 'signature'));
  if (canonicalization !== EXCLUSIVE) throw refused(root, `its canonicalization is ${canonicalization}`);
  const method = algorithmOf(info.only('SignatureMethod', 'signature'));
  if (!isSignatureAlgorithm(method)) throw refused(root, `its algorithm is ${method}`);
  const references = info.children('Reference', 'signature');
  const ofList = references.filter((reference) => reference.attribute('URI') === '');
  const ofProperties = references.filter((reference) => reference.attribute('Type') === SIGNED_PROPERTIES);
  const [list] = ofList;
  const [properties] = ofProperties;
  if (references.length !== 2 || list === undefined || properties === undefined || list === properties) {
    throw refused(root, 'its references are not the list and the signed properties');
  }
  assertTransforms(list, [ENVELOPED, EXCLUSIVE]);
  // Austria and Liechtenstein name none, which means INCLUSIVE (XML Signature §4.4.3.2).
  if (properties.listed('Transforms', 'Transform', 'signature').length > 0) {
    assertTransforms(properties, [EXCLUSIVE]);
  }
  for (const reference of references) assertDigest(reference);
  return referredProperties(root, signature, properties);
}

function assertTransforms(reference: ListElement, expected: readonly string[]): void {
  const found = reference.listed('Transforms', 'Transform', 'signature');
  if (
    found.map(algorithmOf).join(' ') !== expected.join(' ') ||
    found.some((one) => one.children().length > 0)
  ) {
    throw refused(reference, `the transforms of a reference are not ${expected.join(', ')}`);
  }
}

function assertDigest(reference: ListElement): void {
  const digest = algorithmOf(reference.only('DigestMethod', 'signature'));
  if (digestOf(digest) === undefined) throw refused(reference, `the digest of a reference is ${digest}`);
}

function algorithmOf(element: ListElement): string {
  return element.attribute('Algorithm') ?? '';
}

/** The element that the second reference names: in this signature, and the only one with its identifier. */
function referredProperties(root: ListElement, signature: ListElement, reference: ListElement): ListElement {
  const uri = reference.attribute('URI') ?? '';
  const properties = signature
    .children('Object', 'signature')
    .flatMap((object) => object.children('QualifyingProperties', 'xades'))
    .flatMap((qualifying) => qualifying.children('SignedProperties', 'xades'));
  const [only, second] = properties;
  if (only === undefined || second !== undefined) throw refused(root, 'it has not one SignedProperties');
  const id = only.attribute('Id');
  if (id === undefined || uri !== `#${id}` || !/^[A-Za-z_][\w.-]*$/.test(id)) {
    throw refused(root, 'its second reference does not name its SignedProperties');
  }
  const bearers = [root, ...descendants(root)].filter(({ element: { attributes } }) =>
    Array.from({ length: attributes.length }, (_, at) => attributes.item(at)).some(
      (attribute) => attribute?.localName.toLowerCase() === 'id' && attribute.value === id,
    ),
  );
  if (bearers.length !== 1) throw refused(root, 'two elements have the identifier of the SignedProperties');
  return only;
}

/**
 * The allowed certificate that the signature names. KeyInfo is no trust: it only says which one to try.
 *
 * @throws ERR_TRUSTED_LIST_SIGNER
 */
function signerOf(signature: ListElement, signers: readonly Buffer[]): Buffer {
  const named = signature
    .only('KeyInfo', 'signature')
    .children('X509Data', 'signature')
    .flatMap((data) => data.children('X509Certificate', 'signature'))
    .map((certificate) => certificate.bytes());
  const signer = signers.find((allowed) => named.some((one) => one.equals(allowed)));
  if (signer !== undefined) return signer;
  const fingerprints = named.map((der) => createHash('sha256').update(der).digest('hex'));
  const { source } = signature;
  throw new OpenBankingError('ERR_TRUSTED_LIST_SIGNER', { source, fingerprints: fingerprints.slice(0, 4) });
}

function signedSignatureProperties(properties: ListElement): ListElement {
  return properties.only('SignedSignatureProperties', 'xades');
}

/** EN 319 132-1 §5.2.2: the signed properties name the certificate. SHA-1 is enough to refuse a mismatch: the signer is pinned. */
function assertSigningCertificate(properties: ListElement, signer: Buffer): void {
  const signed = signedSignatureProperties(properties);
  const certificates = ['SigningCertificate', 'SigningCertificateV2'].flatMap((name) =>
    signed.listed(name, 'Cert', 'xades'),
  );
  const [first] = certificates;
  if (first === undefined) throw refused(properties, 'its signed properties name no certificate');
  const digest = first.only('CertDigest', 'xades');
  const algorithm = algorithmOf(digest.only('DigestMethod', 'signature'));
  const hash =
    algorithm === 'http://www.w3.org/2000/09/xmldsig#sha1' ? 'sha1' : (digestOf(algorithm) ?? undefined);
  if (hash === undefined) throw refused(properties, `the digest of its certificate is ${algorithm}`);
  const expected = createHash(hash).update(signer).digest();
  const found = digest.only('DigestValue', 'signature').bytes();
  if (found.length !== expected.length || !timingSafeEqual(found, expected)) {
    throw refused(properties, 'its signed properties name another certificate');
  }
}

/** The canonical bytes of the list, as signed. */
function signedBytes(
  text: string,
  { signature, signer }: { readonly signature: ListElement; readonly signer: Buffer },
): string {
  const verifier = new SignedXml({
    publicCert: `-----BEGIN CERTIFICATE-----\n${signer.toString('base64')}\n-----END CERTIFICATE-----\n`,
    getCertFromKeyInfo: () => null,
  });
  verifier.SignatureAlgorithms = signatureAlgorithms();
  verifier.HashAlgorithms = hashAlgorithms();
  // `referredProperties` has seen that one element has the identifier; a search for each other spelling takes 0.1 s.
  verifier.idAttributes = ['Id'];
  const known = verifier.CanonicalizationAlgorithms;
  verifier.CanonicalizationAlgorithms = Object.fromEntries(
    [ENVELOPED, EXCLUSIVE, INCLUSIVE].map((name) => [name, known[name]]),
  );
  try {
    verifier.loadSignature(signature.element);
    if (!verifier.checkSignature(text)) throw refused(signature, 'a digest does not match');
    // The order of the references is checked by what they hold: one is the list, one the signed properties.
    const [content, second] = verifier
      .getSignedReferences()
      .filter((signed) => !/^<[\w.-]*:?SignedProperties[\s>]/.test(signed));
    if (content === undefined || second !== undefined) throw refused(signature, 'it does not sign the list');
    return content;
  } catch (error) {
    if (error instanceof OpenBankingError) throw error;
    throw refused(signature, 'it does not verify', error);
  }
}
