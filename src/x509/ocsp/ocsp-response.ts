import {
  contextTag,
  DerError,
  type DerReader,
  decodeCount,
  decodeOctetBits,
  readAll,
  TAG,
} from '../der/der.ts';
import { readGeneralizedTime } from '../der/der-time.ts';
import { readMessage } from '../der/message.ts';
import { isTolerated } from '../der/tolerances.ts';
import { type DistinguishedName, readName } from '../certificate/distinguished-name.ts';
import { type Extension, readExtensions } from '../certificate/extensions.ts';
import { type CertId, readCertId } from './ocsp-request.ts';
import { decodeRevocationReason, type RevocationReason } from '../certificate/revocation-status.ts';
import { readSignatureAlgorithm, type SignedValue } from '../certificate/signature.ts';

/** An answer of an OCSP responder. Only a successful one is signed and concerns certificates. */
export type OcspResponse =
  | { readonly responseStatus: OcspFailure }
  | { readonly responseStatus: 'successful'; readonly basic: BasicOcspResponse };

export type OcspFailure = Exclude<(typeof STATUSES)[number], 'successful' | undefined>;

/** The signed bytes, `tbs`, are the ResponseData. */
export interface BasicOcspResponse extends SignedValue {
  readonly responder: ResponderId;
  readonly producedAt: Date;
  readonly responses: readonly SingleResponse[];
  readonly extensions: ReadonlyMap<string, Extension>;
  /** DER of the enclosed certificates, the responder's among them. */
  readonly certificates: readonly Buffer[];
}

export type ResponderId = { readonly name: DistinguishedName } | { readonly keyHash: Buffer };

export interface SingleResponse {
  readonly certId: CertId;
  readonly status:
    | { readonly kind: 'good' | 'unknown' }
    | { readonly kind: 'revoked'; readonly revokedAt: Date; readonly reason: RevocationReason };
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
  readonly extensions: ReadonlyMap<string, Extension>;
}

/** A response of one certificate with the responder's takes 1 to 3 kB; pre-produced ones may be about many. */
const MAX_BYTES = 131_072;
/** A delegate and paths above it: a Ukrainian provider encloses nine, of several algorithms. */
const MAX_CERTIFICATES = 32;
const KIND = 'OCSP response';
const BASIC = '1.3.6.1.5.5.7.48.1.1';

/** By OCSPResponseStatus, which leaves 4 out. */
const STATUSES = [
  'successful',
  'malformedRequest',
  'internalError',
  'tryLater',
  undefined,
  'sigRequired',
  'unauthorized',
] as const;

const field = (number: number): number => contextTag(number, 'constructed');

/**
 * Reads an OCSP response of strict DER, all of it. Proves nothing: that is `ocspStatus`.
 *
 *     OCSPResponse ::= SEQUENCE { responseStatus ENUMERATED,
 *       responseBytes [0] EXPLICIT SEQUENCE { responseType OBJECT IDENTIFIER, response OCTET STRING } OPTIONAL }
 *
 * @throws ERR_OCSP_MALFORMED
 * @see RFC 6960 §4.2.1
 */
export function parseOcspResponse(der: Uint8Array): OcspResponse {
  return readMessage(der, { maxBytes: MAX_BYTES, code: 'ERR_OCSP_MALFORMED' }, () =>
    readAll(Buffer.from(der), (reader) => reader.within(TAG.sequence, readResponse)),
  );
}

function readResponse(fields: DerReader): OcspResponse {
  const responseStatus = STATUSES[decodeCount(fields.content(TAG.enumerated))];
  if (responseStatus === undefined) throw new DerError('responseStatus is none of RFC 6960 §4.2.1');
  if (responseStatus !== 'successful') return Object.freeze({ responseStatus });
  const basic = fields.within(field(0), (bytes) =>
    bytes.within(TAG.sequence, (typed) => {
      if (typed.oid() !== BASIC) throw new DerError('responseType is not id-pkix-ocsp-basic');
      return readAll(typed.content(TAG.octetString), readBasic);
    }),
  );
  return Object.freeze({ responseStatus, basic });
}

/**
 *     BasicOCSPResponse ::= SEQUENCE { tbsResponseData ResponseData, signatureAlgorithm AlgorithmIdentifier,
 *       signature BIT STRING, certs [0] EXPLICIT SEQUENCE OF Certificate OPTIONAL }
 */
function readBasic(reader: DerReader): BasicOcspResponse {
  return reader.within(TAG.sequence, (fields) => {
    const tbs = fields.element(TAG.sequence);
    const signatureAlgorithm = readAll(fields.element(TAG.sequence).raw, readSignatureAlgorithm);
    const signature = decodeOctetBits(fields.content(TAG.bitString));
    const certificates = fields.optionalWithin(field(0), readCertificates) ?? [];
    const data = readAll(tbs.content, readResponseData);
    return Object.freeze({ tbs: tbs.raw, signatureAlgorithm, signature, certificates, ...data });
  });
}

function readCertificates(reader: DerReader): Buffer[] {
  const certificates = reader.within(TAG.sequence, (list) =>
    list.all((one) => one.element(TAG.sequence).raw, 0),
  );
  if (certificates.length > MAX_CERTIFICATES)
    throw new DerError(`more than ${MAX_CERTIFICATES} certificates`);
  return certificates;
}

/**
 *     ResponseData ::= SEQUENCE { version [0] EXPLICIT INTEGER DEFAULT v1, responderID CHOICE { byName [1] Name,
 *       byKey [2] OCTET STRING }, producedAt GeneralizedTime, responses SEQUENCE OF SingleResponse,
 *       responseExtensions [1] EXPLICIT Extensions OPTIONAL }
 */
function readResponseData(fields: DerReader) {
  const version = fields.optionalWithin(field(0), (number) => decodeCount(number.content(TAG.integer)));
  const isVersion1 = version === undefined || (version === 0 && isTolerated('written-version', KIND));
  if (!isVersion1) throw new DerError('version is not v1');
  return {
    responder: readResponderId(fields),
    producedAt: readGeneralizedTime(fields, KIND),
    responses: fields.sequences(readSingle, 0),
    extensions: readOptionalExtensions(fields),
  };
}

function readOptionalExtensions(fields: DerReader): ReadonlyMap<string, Extension> {
  return fields.optionalWithin(field(1), (list) => readExtensions(list, KIND)) ?? new Map();
}

function readResponderId(fields: DerReader): ResponderId {
  const name = fields.optionalWithin(field(1), readName);
  if (name !== undefined) return { name };
  return { keyHash: fields.within(field(2), (key) => key.content(TAG.octetString)) };
}

/**
 *     SingleResponse ::= SEQUENCE { certID CertID, certStatus CHOICE { good [0] NULL, revoked [1] RevokedInfo,
 *       unknown [2] NULL }, thisUpdate GeneralizedTime, nextUpdate [0] EXPLICIT GeneralizedTime OPTIONAL,
 *       singleExtensions [1] EXPLICIT Extensions OPTIONAL }
 */
function readSingle(fields: DerReader): SingleResponse {
  return {
    certId: readCertId(fields),
    status: readStatus(fields),
    thisUpdate: readGeneralizedTime(fields, KIND),
    nextUpdate: fields.optionalWithin(field(0), (time) => readGeneralizedTime(time, KIND)),
    extensions: readOptionalExtensions(fields),
  };
}

/** RevokedInfo ::= SEQUENCE { revocationTime GeneralizedTime, revocationReason [0] EXPLICIT ENUMERATED OPTIONAL } */
function readStatus(fields: DerReader): SingleResponse['status'] {
  const revoked = fields.optionalWithin(field(1), (info) => ({
    kind: 'revoked' as const,
    revokedAt: readGeneralizedTime(info, KIND),
    reason:
      info.optionalWithin(field(0), (reason) => decodeRevocationReason(reason.content(TAG.enumerated))) ??
      ('unspecified' as const),
  }));
  if (revoked !== undefined) return revoked;
  const good = fields.optional(contextTag(0, 'primitive'));
  const { content } = good ?? fields.element(contextTag(2, 'primitive'));
  if (content.length > 0) throw new DerError('NULL is not empty');
  return { kind: good === undefined ? 'unknown' : 'good' };
}
