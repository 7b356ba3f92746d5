import { createHash, type KeyObject, sign } from 'node:crypto';

const LIST = 'http://uri.etsi.org/02231/v2#';
const LIST_EXTRA = 'http://uri.etsi.org/02231/v2/additionaltypes#';
const DS = 'http://www.w3.org/2000/09/xmldsig#';
const XADES = 'http://uri.etsi.org/01903/v1.3.2#';
const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const SHA256 = 'http://www.w3.org/2001/04/xmlenc#sha256';
const TRUSTED_LIST = 'http://uri.etsi.org/TrstSvc/TrustedList/';

/** A state of a service, as a list has it. */
export interface WrittenState {
  /** `granted`, `withdrawn`. */
  readonly status: string;
  readonly since: Date;
  /** Last parts of the URIs of AdditionalServiceInformation. Default: ForWebSiteAuthentication. */
  readonly purposes?: readonly string[];
  /** XML of further extensions, in canonical form. */
  readonly extensions?: string;
}

export interface WrittenService {
  readonly provider: string;
  readonly name: string;
  /** DER. */
  readonly certificates: readonly Buffer[];
  /** The newest first. */
  readonly states: readonly [WrittenState, ...WrittenState[]];
}

export interface WrittenPointer {
  readonly location: string;
  readonly type: 'EUgeneric' | 'EUlistofthelists';
  readonly territory: string;
  /** DER. */
  readonly signers: readonly Buffer[];
}

/** The content of a trusted list (TS 119 612). */
export interface WrittenList {
  readonly type: 'EUgeneric' | 'EUlistofthelists';
  readonly territory: string;
  readonly sequenceNumber: number;
  readonly issuedAt: Date;
  readonly nextUpdate: Date;
  /** Default 6. */
  readonly version?: number;
  readonly informationUris?: readonly string[];
  readonly pointers?: readonly WrittenPointer[];
  readonly services?: readonly WrittenService[];
}

export interface ListSigner {
  /** DER. */
  readonly certificate: Buffer;
  /** P-256. */
  readonly privateKey: KeyObject;
}

/**
 * A trusted list with its XAdES signature (EN 319 132-1 baseline B). Every part is written in its canonical form, so that the
 * bytes that are signed are the bytes that are written.
 */
export function writeTrustedList(list: WrittenList, { certificate, privateKey }: ListSigner): Buffer {
  const content = listContent(list);
  const close = '</TrustServiceStatusList>';
  const properties = signedProperties(certificate, list.issuedAt);
  const info = signedInfo(digest(content + close), digest(properties));
  const value = sign('sha256', Buffer.from(info), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const signature = [
    `<ds:Signature xmlns:ds="${DS}" Id="signature">${info}`,
    `<ds:SignatureValue>${value.toString('base64')}</ds:SignatureValue>`,
    `<ds:KeyInfo><ds:X509Data>${x509Certificate(certificate, 'ds:')}</ds:X509Data></ds:KeyInfo>`,
    `<ds:Object><xades:QualifyingProperties xmlns:xades="${XADES}" Target="#signature">${properties}`,
    '</xades:QualifyingProperties></ds:Object></ds:Signature>',
  ].join('');
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${content}${signature}${close}\n`);
}

function signedInfo(ofList: string, ofProperties: string): string {
  const transform = (algorithm: string) => `<ds:Transform Algorithm="${algorithm}"></ds:Transform>`;
  const hash = (value: string) =>
    `<ds:DigestMethod Algorithm="${SHA256}"></ds:DigestMethod><ds:DigestValue>${value}</ds:DigestValue>`;
  return [
    `<ds:SignedInfo xmlns:ds="${DS}">`,
    `<ds:CanonicalizationMethod Algorithm="${EXCLUSIVE}"></ds:CanonicalizationMethod>`,
    '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"></ds:SignatureMethod>',
    `<ds:Reference URI=""><ds:Transforms>${transform(`${DS}enveloped-signature`)}${transform(EXCLUSIVE)}`,
    `</ds:Transforms>${hash(ofList)}</ds:Reference>`,
    `<ds:Reference Type="http://uri.etsi.org/01903#SignedProperties" URI="#properties"><ds:Transforms>`,
    `${transform(EXCLUSIVE)}</ds:Transforms>${hash(ofProperties)}</ds:Reference></ds:SignedInfo>`,
  ].join('');
}

function signedProperties(certificate: Buffer, at: Date): string {
  const hash = createHash('sha256').update(certificate).digest('base64');
  return [
    `<xades:SignedProperties xmlns:xades="${XADES}" Id="properties"><xades:SignedSignatureProperties>`,
    `<xades:SigningTime>${instant(at)}</xades:SigningTime>`,
    '<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>',
    `<ds:DigestMethod xmlns:ds="${DS}" Algorithm="${SHA256}"></ds:DigestMethod>`,
    `<ds:DigestValue xmlns:ds="${DS}">${hash}</ds:DigestValue>`,
    '</xades:CertDigest></xades:Cert></xades:SigningCertificateV2>',
    '</xades:SignedSignatureProperties></xades:SignedProperties>',
  ].join('');
}

/** The list without its end tag. */
function listContent(list: WrittenList): string {
  const { informationUris = [], pointers = [], services = [] } = list;
  return [
    `<TrustServiceStatusList xmlns="${LIST}" TSLTag="http://uri.etsi.org/19612/TSLTag"><SchemeInformation>`,
    element('TSLVersionIdentifier', String(list.version ?? 6)),
    element('TSLSequenceNumber', String(list.sequenceNumber)),
    element('TSLType', `${TRUSTED_LIST}TSLType/${list.type}`),
    informationUris.length === 0
      ? ''
      : `<SchemeInformationURI>${informationUris.map(uri).join('')}</SchemeInformationURI>`,
    element('SchemeTerritory', list.territory),
    pointers.length === 0 ? '' : `<PointersToOtherTSL>${pointers.map(pointer).join('')}</PointersToOtherTSL>`,
    element('ListIssueDateTime', instant(list.issuedAt)),
    `<NextUpdate>${element('dateTime', instant(list.nextUpdate))}</NextUpdate>`,
    '</SchemeInformation>',
    services.length === 0
      ? ''
      : `<TrustServiceProviderList>${services.map(provider).join('')}</TrustServiceProviderList>`,
  ].join('');
}

function pointer({ signers, location, type, territory }: WrittenPointer): string {
  const other = (content: string) => `<OtherInformation>${content}</OtherInformation>`;
  const identities = signers.map(
    (der) => `<ServiceDigitalIdentity>${digitalId(der)}</ServiceDigitalIdentity>`,
  );
  return [
    `<OtherTSLPointer><ServiceDigitalIdentities>${identities.join('')}</ServiceDigitalIdentities>`,
    element('TSLLocation', location),
    '<AdditionalInformation>',
    other(element('TSLType', `${TRUSTED_LIST}TSLType/${type}`)),
    other(element('SchemeTerritory', territory)),
    other(`<MimeType xmlns="${LIST_EXTRA}">application/vnd.etsi.tsl+xml</MimeType>`),
    '</AdditionalInformation></OtherTSLPointer>',
  ].join('');
}

function provider(service: WrittenService): string {
  const [current, ...former] = service.states;
  const identity = `<ServiceDigitalIdentity>${service.certificates.map(digitalId).join('')}</ServiceDigitalIdentity>`;
  const history = former.map(
    (one) => `<ServiceHistoryInstance>${state(service, identity, one)}</ServiceHistoryInstance>`,
  );
  return [
    `<TrustServiceProvider><TSPInformation>${names('TSPName', service.provider)}</TSPInformation>`,
    `<TSPServices><TSPService><ServiceInformation>${state(service, identity, current)}</ServiceInformation>`,
    history.length === 0 ? '' : `<ServiceHistory>${history.join('')}</ServiceHistory>`,
    '</TSPService></TSPServices></TrustServiceProvider>',
  ].join('');
}

function state(service: WrittenService, identity: string, one: WrittenState): string {
  const { purposes = ['ForWebSiteAuthentication'], extensions = '' } = one;
  const additional = purposes.map(
    (purpose) =>
      `<Extension Critical="true"><AdditionalServiceInformation>${uri(`${TRUSTED_LIST}SvcInfoExt/${purpose}`)}</AdditionalServiceInformation></Extension>`,
  );
  return [
    element('ServiceTypeIdentifier', 'http://uri.etsi.org/TrstSvc/Svctype/CA/QC'),
    names('ServiceName', service.name),
    identity,
    element('ServiceStatus', `${TRUSTED_LIST}Svcstatus/${one.status}`),
    element('StatusStartingTime', instant(one.since)),
    `<ServiceInformationExtensions>${additional.join('')}${extensions}</ServiceInformationExtensions>`,
  ].join('');
}

function digitalId(der: Buffer): string {
  return `<DigitalId>${x509Certificate(der)}</DigitalId>`;
}

function x509Certificate(der: Buffer, prefix = ''): string {
  return `<${prefix}X509Certificate>${der.toString('base64')}</${prefix}X509Certificate>`;
}

function names(name: string, text: string): string {
  return `<${name}><Name xml:lang="en">${escaped(text)}</Name></${name}>`;
}

function uri(text: string): string {
  return `<URI xml:lang="en">${escaped(text)}</URI>`;
}

function element(name: string, text: string): string {
  return `<${name}>${escaped(text)}</${name}>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function instant(at: Date): string {
  return `${at.toISOString().slice(0, 19)}Z`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
