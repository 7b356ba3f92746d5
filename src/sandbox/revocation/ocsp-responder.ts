import { createHash } from 'node:crypto';
import {
  contextTag,
  DerError,
  DerReader,
  decodeInteger,
  type Element,
  readAll,
  TAG,
} from '../../x509/der/der.ts';
import {
  context,
  element,
  enumerated,
  extension,
  generalizedTime,
  octetString,
  oid,
  sequence,
} from '../pki/der-writer.ts';
import {
  isNamedBy,
  type PublishedAuthority,
  SIGNATURE_ALGORITHM,
  signatureOf,
} from './published-authority.ts';
import { REASONS, type Revocation } from './revocations.ts';

const OCSP_BASIC = '1.3.6.1.5.5.7.48.1.1';
const OCSP_NONCE = '1.3.6.1.5.5.7.48.1.2';
const HASHES: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
};
/** OCSPResponseStatus (RFC 6960 §4.2.1). */
const STATUS = { successful: 0, malformedRequest: 1, unauthorized: 6 } as const;
/** RFC 9654 §2.1. */
const MAX_NONCE_BYTES = 128;

interface OcspRequest {
  readonly ids: readonly CertId[];
  /** The nonce, as encoded in the extension. */
  readonly nonce?: Buffer;
}

interface CertId {
  readonly raw: Buffer;
  readonly hash: string;
  readonly nameHash: Buffer;
  readonly keyHash: Buffer;
  readonly serialNumber: string;
}

export interface OcspFacts {
  readonly authorities: readonly PublishedAuthority[];
  readonly revoked: readonly Revocation[];
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
}

/** Answers an OCSP request, of one authority's certificates, by its delegated responder (RFC 6960 §4.2.2.2). */
export function answerOcsp(request: Buffer, facts: OcspFacts): Buffer {
  const parsed = findRequest(request);
  if (parsed === undefined) return failure(STATUS.malformedRequest);
  const authority = facts.authorities.find((one) => parsed.ids.every((id) => isNamedBy(one, id)));
  if (authority === undefined) return failure(STATUS.unauthorized);
  const data = sequence(
    context(2, octetString(sha1(authority.responder.certificate.publicKeyOctets))),
    generalizedTime(facts.thisUpdate),
    sequence(...parsed.ids.map((id) => singleResponse(id, authority, facts))),
    ...(parsed.nonce === undefined ? [] : [context(1, sequence(extension(OCSP_NONCE, parsed.nonce)))]),
  );
  const basic = sequence(
    data,
    SIGNATURE_ALGORITHM,
    signatureOf(data, authority.responder.key),
    context(0, sequence(authority.responder.certificate.der)),
  );
  return sequence(enumerated(STATUS.successful), context(0, sequence(oid(OCSP_BASIC), octetString(basic))));
}

function failure(status: number): Buffer {
  return sequence(enumerated(status));
}

/** SingleResponse ::= SEQUENCE { certID, certStatus, thisUpdate, nextUpdate [0] EXPLICIT } */
function singleResponse(id: CertId, authority: PublishedAuthority, facts: OcspFacts): Buffer {
  const revocation = facts.revoked.find(
    (one) => one.authority === authority.name && one.serialNumber === id.serialNumber,
  );
  return sequence(
    id.raw,
    statusOf(revocation, authority.issued.has(id.serialNumber)),
    generalizedTime(facts.thisUpdate),
    context(0, generalizedTime(facts.nextUpdate)),
  );
}

/** CertStatus ::= CHOICE { good [0] NULL, revoked [1] SEQUENCE { time, reason [0] }, unknown [2] NULL }, all IMPLICIT. */
function statusOf(revocation: Revocation | undefined, isIssued: boolean): Buffer {
  if (revocation === undefined) return element(isIssued ? 0x80 : 0x82);
  return context(1, generalizedTime(revocation.at), context(0, enumerated(REASONS[revocation.reason])));
}

function findRequest(der: Buffer): OcspRequest | undefined {
  try {
    return readAll(der, (reader) => reader.within(TAG.sequence, readRequest));
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/**
 *     OCSPRequest ::= SEQUENCE { tbsRequest SEQUENCE { version [0], requestorName [1] OPTIONAL,
 *       requestList SEQUENCE OF SEQUENCE { CertID, … }, requestExtensions [2] OPTIONAL }, signature [0] OPTIONAL }
 */
function readRequest(fields: DerReader): OcspRequest {
  const tbs = new DerReader(fields.content(TAG.sequence));
  tbs.optional(contextTag(0, 'constructed'));
  tbs.optional(contextTag(1, 'constructed'));
  const ids = tbs.within(TAG.sequence, (list) =>
    list.all((one) => new DerReader(one.content(TAG.sequence)).element(TAG.sequence)),
  );
  const nonce = tbs.optionalWithin(contextTag(2, 'constructed'), findNonce);
  fields.optional(contextTag(0, 'constructed'));
  return { ids: ids.map(readCertId), ...(nonce === undefined ? {} : { nonce }) };
}

function readCertId({ raw, content }: Element): CertId {
  return readAll(content, (fields) => {
    const algorithm = new DerReader(fields.content(TAG.sequence)).oid();
    const nameHash = fields.content(TAG.octetString);
    const keyHash = fields.content(TAG.octetString);
    const serial = decodeInteger(fields.content(TAG.integer));
    const hash = HASHES[algorithm];
    if (hash === undefined) throw new DerError(`hash algorithm ${algorithm} is not known`);
    const magnitude = serial[0] === 0 && serial.length > 1 ? serial.subarray(1) : serial;
    return { raw, hash, nameHash, keyHash, serialNumber: magnitude.toString('hex') };
  });
}

function findNonce(reader: DerReader): Buffer | undefined {
  const extensions = reader.within(TAG.sequence, (list) =>
    list.all((one) =>
      one.within(TAG.sequence, (fields) => {
        const type = fields.oid();
        fields.flag();
        return { type, value: fields.content(TAG.octetString) };
      }),
    ),
  );
  const nonce = extensions.find(({ type }) => type === OCSP_NONCE)?.value;
  if (nonce !== undefined && nonce.length > MAX_NONCE_BYTES + 2) throw new DerError('the nonce is too long');
  return nonce;
}

function sha1(bytes: Buffer): Buffer {
  return createHash('sha1').update(bytes).digest();
}
