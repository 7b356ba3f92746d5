import { hash } from 'node:crypto';
import { readExtensions } from '../../x509/certificate/extensions.ts';
import { contextTag, DerError, DerReader, readAll, TAG } from '../../x509/der/der.ts';
import { type CertId, isIssuerOf, readCertId } from '../../x509/ocsp/ocsp-request.ts';
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
import { type PublishedAuthority, SIGNATURE_ALGORITHM, signatureOf } from './published-authority.ts';
import { REASONS, type Revocation } from './revocations.ts';

const OCSP_BASIC = '1.3.6.1.5.5.7.48.1.1';
const OCSP_NONCE = '1.3.6.1.5.5.7.48.1.2';
/** OCSPResponseStatus (RFC 6960 §4.2.1). */
const STATUS = { successful: 0, malformedRequest: 1, unauthorized: 6 } as const;
/** RFC 9654 §2.1. */
const MAX_NONCE_BYTES = 128;

interface OcspRequest {
  readonly ids: readonly (CertId & { readonly raw: Buffer })[];
  /** The nonce, as encoded in the extension. */
  readonly nonce: Buffer | undefined;
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
  const authority = facts.authorities.find((one) =>
    parsed.ids.every((id) =>
      isIssuerOf(id, { certificate: one.responder.certificate, issuer: one.certificate }),
    ),
  );
  if (authority === undefined) return failure(STATUS.unauthorized);
  const { certificate, key } = authority.responder;
  const data = sequence(
    context(2, octetString(hash('sha1', certificate.publicKeyOctets, 'buffer'))),
    generalizedTime(facts.thisUpdate),
    sequence(...parsed.ids.map((id) => singleResponse(id, authority, facts))),
    ...(parsed.nonce === undefined ? [] : [context(1, sequence(extension(OCSP_NONCE, parsed.nonce)))]),
  );
  const basic = sequence(
    data,
    SIGNATURE_ALGORITHM,
    signatureOf(data, key),
    context(0, sequence(certificate.der)),
  );
  return sequence(enumerated(STATUS.successful), context(0, sequence(oid(OCSP_BASIC), octetString(basic))));
}

function failure(status: number): Buffer {
  return sequence(enumerated(status));
}

/** SingleResponse ::= SEQUENCE { certID, certStatus, thisUpdate, nextUpdate [0] EXPLICIT } */
function singleResponse(
  { raw, serialNumber }: OcspRequest['ids'][number],
  { name, issued }: PublishedAuthority,
  { revoked, thisUpdate, nextUpdate }: OcspFacts,
): Buffer {
  const revocation = revoked.find((one) => one.authority === name && one.serialNumber === serialNumber);
  return sequence(
    raw,
    statusOf(revocation, issued.includes(serialNumber)),
    generalizedTime(thisUpdate),
    context(0, generalizedTime(nextUpdate)),
  );
}

/** CertStatus ::= CHOICE { good [0] NULL, revoked [1] SEQUENCE { time, reason [0] }, unknown [2] NULL }, all IMPLICIT. */
function statusOf(revocation: Revocation | undefined, isIssued: boolean): Buffer {
  if (revocation === undefined) return element(contextTag(isIssued ? 0 : 2, 'primitive'));
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
    list.all((one) => {
      const { raw } = new DerReader(one.content(TAG.sequence)).element(TAG.sequence);
      return { raw, ...readAll(raw, readCertId) };
    }),
  );
  const extensions = tbs.optionalWithin(contextTag(2, 'constructed'), readExtensions);
  const nonce = extensions?.get(OCSP_NONCE)?.value;
  if (nonce !== undefined && nonce.length > MAX_NONCE_BYTES + 2) throw new DerError('the nonce is too long');
  fields.optional(contextTag(0, 'constructed'));
  return { ids, nonce };
}
