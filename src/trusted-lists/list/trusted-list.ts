import { type SignedList, verifySignedList } from '../signature/signed-list.ts';
import { decodeList, parseXml } from '../xml/document.ts';
import { ListElement } from '../xml/elements.ts';
import { readIdentities, readServices, type TrustService } from './service.ts';

const LIST_TYPE = 'http://uri.etsi.org/TrstSvc/TrustedList/TSLType/';
export const LIST_OF_LISTS = `${LIST_TYPE}EUlistofthelists`;
export const NATIONAL_LIST = `${LIST_TYPE}EUgeneric`;
const XML_LIST = 'application/vnd.etsi.tsl+xml';
/** Version 6 since 2025 (TS 119 612 V2.3.1). */
const VERSIONS = ['5', '6'];

/** Another list, and who may sign it (TS 119 612 §5.3.13). */
export interface ListPointer {
  readonly location: string;
  readonly type: string;
  /** Such as `EL` for Greece, `UK`, or `EU` for the list of the lists. */
  readonly territory: string;
  /** DER. */
  readonly signers: readonly Buffer[];
}

/** A trusted list whose signature holds. */
export interface TrustedList {
  readonly type: string;
  readonly territory: string;
  readonly sequenceNumber: number;
  readonly issuedAt: Date;
  /** Absent in the last list of a scheme that has ended. */
  readonly nextUpdate: Date | undefined;
  /** Addresses of the scheme's documents; the list of the lists has its pivots there. */
  readonly informationUris: readonly string[];
  /** To lists in XML. */
  readonly pointers: readonly ListPointer[];
  readonly services: readonly TrustService[];
  /** DER of the certificate that signed. */
  readonly signer: Buffer;
}

/**
 * Verifies and reads a trusted list (TS 119 612 §5.3 to §5.6).
 *
 * Not checked: whether the list is still good (`nextUpdate`) or older than one that was seen before.
 *
 * @throws ERR_TRUSTED_LIST_MALFORMED, ERR_TRUSTED_LIST_SIGNATURE, ERR_TRUSTED_LIST_SIGNER
 */
export function readTrustedList(
  bytes: Uint8Array,
  from: { readonly source: string; readonly signers: readonly Buffer[] },
): TrustedList {
  const { root, signer }: SignedList = verifySignedList(bytes, from);
  const scheme = root.only('SchemeInformation');
  const version = scheme.only('TSLVersionIdentifier').text;
  if (!VERSIONS.includes(version)) throw root.malformed(`its version is ${version.slice(0, 10)}, not 5 or 6`);
  return Object.freeze({
    type: scheme.only('TSLType').text,
    territory: scheme.only('SchemeTerritory').text,
    sequenceNumber: sequenceNumber(scheme.only('TSLSequenceNumber')),
    issuedAt: scheme.only('ListIssueDateTime').instant(),
    nextUpdate: scheme.only('NextUpdate').optional('dateTime')?.instant(),
    informationUris: scheme.listed('SchemeInformationURI', 'URI').map(({ text }) => text),
    pointers: scheme.listed('PointersToOtherTSL', 'OtherTSLPointer').flatMap(readPointer),
    services: root
      .listed('TrustServiceProviderList', 'TrustServiceProvider')
      .flatMap((provider) => readServices(provider)),
    signer,
  });
}

function sequenceNumber(element: ListElement): number {
  if (!/^[1-9]\d{0,8}$/.test(element.text)) throw element.malformed('its sequence number is no number');
  return Number(element.text);
}

/** Pointers to PDF renderings of lists are left out. */
function readPointer(pointer: ListElement): ListPointer[] {
  const information = pointer.listed('AdditionalInformation', 'OtherInformation');
  const [mimeType] = information.flatMap((one) => one.children('MimeType', 'listExtra'));
  const [type] = information.flatMap((one) => one.children('TSLType'));
  const [territory] = information.flatMap((one) => one.children('SchemeTerritory'));
  if (mimeType?.text !== XML_LIST || type === undefined || territory === undefined) return [];
  return [
    {
      location: pointer.only('TSLLocation').text,
      type: type.text,
      territory: territory.text,
      signers: pointer.listed('ServiceDigitalIdentities', 'ServiceDigitalIdentity').flatMap(readIdentities),
    },
  ];
}

/**
 * Type and territory that a list claims, without any proof: only to know which proof to make.
 *
 * @throws ERR_TRUSTED_LIST_MALFORMED
 */
export function typeAndTerritory(file: { readonly bytes: Uint8Array; readonly source: string }): {
  readonly type: string;
  readonly territory: string;
} {
  const { bytes, source } = file;
  const root = new ListElement(parseXml(decodeList(bytes, source), source), source);
  const scheme = root.only('SchemeInformation');
  return { type: scheme.only('TSLType').text, territory: scheme.only('SchemeTerritory').text };
}
