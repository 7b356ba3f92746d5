import { DerError, type DerReader, TAG } from '../der/der.ts';

/** An extension as encoded: `value` is the content of extnValue. */
export interface Extension {
  readonly critical: boolean;
  readonly value: Buffer;
}

/**
 * Reads Extensions, of a certificate, a CRL, an entry of a CRL or an OCSP answer; none may occur twice.
 *
 *     Extensions ::= SEQUENCE SIZE (1..MAX) OF SEQUENCE { extnID OBJECT IDENTIFIER,
 *       critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }
 *
 * @throws DerError
 * @see RFC 5280 §4.1
 */
export function readExtensions(reader: DerReader): ReadonlyMap<string, Extension> {
  const extensions = new Map<string, Extension>();
  const list = reader.within(TAG.sequence, (all) =>
    all.all((item) =>
      item.within(TAG.sequence, (fields) => ({
        oid: fields.oid(),
        critical: fields.flag(),
        value: fields.content(TAG.octetString),
      })),
    ),
  );
  for (const { oid, critical, value } of list) {
    if (extensions.has(oid)) throw new DerError(`extension ${oid} occurs twice`);
    extensions.set(oid, Object.freeze({ critical, value }));
  }
  return extensions;
}
