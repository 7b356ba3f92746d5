import { context, enumerated, extension, integer, octetString, sequence, time } from '../pki/der-writer.ts';
import { type PublishedAuthority, SIGNATURE_ALGORITHM, signatureOf } from './published-authority.ts';
import { REASONS, type Revocation } from './revocations.ts';

export interface CrlOptions {
  readonly revoked: readonly Revocation[];
  readonly number: bigint;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
}

/**
 * Writes the complete CRL of an authority.
 *
 *     CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signatureValue BIT STRING }
 *     TBSCertList ::= SEQUENCE { version INTEGER (1), signature, issuer, thisUpdate, nextUpdate,
 *       revokedCertificates SEQUENCE OF SEQUENCE { serial, time, extensions OPTIONAL } OPTIONAL, [0] extensions }
 *
 * @see RFC 5280 §5.1
 */
export function writeCrl(authority: PublishedAuthority, options: CrlOptions): Buffer {
  const { revoked } = options;
  const tbs = sequence(
    integer(1n),
    SIGNATURE_ALGORITHM,
    authority.responder.certificate.issuerDer,
    time(options.thisUpdate),
    time(options.nextUpdate),
    // RFC 5280 §5.1.2.6: the list is absent when it would be empty.
    ...(revoked.length === 0 ? [] : [sequence(...revoked.map(entryOf))]),
    context(0, sequence(authorityKeyIdentifier(authority), extension('2.5.29.20', integer(options.number)))),
  );
  return sequence(tbs, SIGNATURE_ALGORITHM, signatureOf(tbs, authority.key));
}

/** An unspecified reason is left out (RFC 5280 §5.3.1). */
function entryOf({ serialNumber, at, reason }: Revocation): Buffer {
  const extensions =
    reason === 'unspecified' ? [] : [sequence(extension('2.5.29.21', enumerated(REASONS[reason])))];
  return sequence(integer(BigInt(`0x${serialNumber}`)), time(at), ...extensions);
}

function authorityKeyIdentifier({ certificate }: PublishedAuthority): Buffer {
  const keyIdentifier = octetString(certificate.subjectKeyIdentifier ?? Buffer.alloc(0));
  // [0] IMPLICIT: the context tag replaces the tag of the OCTET STRING.
  keyIdentifier[0] = 0x80;
  return extension('2.5.29.35', sequence(keyIdentifier));
}
