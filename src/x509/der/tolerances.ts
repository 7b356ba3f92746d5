/** A document that is read. `certificate` is an end entity, or a CA between it and the anchor. */
export type DocumentKind = 'certificate' | 'anchor' | 'responder' | 'OCSP response' | 'CRL';

/** The kinds that are X.509 certificates. `responder` is a certificate that an OCSP response encloses. */
export type CertificateKind = Extract<DocumentKind, 'certificate' | 'anchor' | 'responder'>;

interface Deviation {
  readonly kinds: readonly DocumentKind[];
  /** The form that is accepted against the standard, and why nothing is granted by it: for docs/tpp-certificates.md. */
  readonly form: string;
  readonly reason: string;
}

const ANCHOR: readonly DocumentKind[] = ['anchor'];
const EVIDENCE: readonly DocumentKind[] = ['responder', 'OCSP response', 'CRL'];
const RESPONSE: readonly DocumentKind[] = ['OCSP response'];
const CRL: readonly DocumentKind[] = ['CRL'];

/**
 * Every deviation from the standards that is accepted, since real issuers and responders write it and it decides
 * nothing. Every other deviation is refused.
 */
export const TOLERATED = Object.freeze({
  'serial-number': {
    kinds: ANCHOR,
    form: 'a serial number of zero, below zero, or of more than 20 octets',
    reason: 'no rule reads the serial number of an anchor',
  },
  'unread-extensions': {
    kinds: ANCHOR,
    form: 'faults of extensions that hold no constraint, and of their criticality; no keyUsage',
    reason: 'only name, key and constraints of an anchor count (RFC 5280 §6.1.1 (d))',
  },
  'small-exponent': {
    kinds: ANCHOR,
    form: 'an odd RSA exponent from 3',
    reason: 'the operator chose the key; its signatures are verified in full (RFC 8017 §8.2.2)',
  },
  'leading-period': {
    kinds: ANCHOR,
    form: 'a dNSName constraint that begins with a period',
    reason: 'it permits and excludes the names below it only',
  },
  'written-default': {
    kinds: [...ANCHOR, ...EVIDENCE],
    form: '`critical FALSE`, or another default FALSE, written out',
    reason: 'the meaning is that of leaving it out (X.690 §11.5)',
  },
  'empty-extensions': {
    kinds: RESPONSE,
    form: 'a list of extensions without an element',
    reason: 'no extension is there',
  },
  'written-version': {
    kinds: RESPONSE,
    form: 'version 1 written out',
    reason: 'the meaning is that of leaving it out',
  },
  'fraction-of-second': {
    kinds: RESPONSE,
    form: 'a time with a fraction of a second',
    reason: 'the fraction is cut off, and signed as the rest',
  },
  'empty-revoked-certificates': {
    kinds: CRL,
    form: 'a list of revoked certificates without an element',
    reason: 'no certificate is revoked, as without the list',
  },
  'invalidity-date': {
    kinds: CRL,
    form: 'an invalidityDate of any form in an entry',
    reason: 'no rule reads it: the certificate is revoked in any case',
  },
  'host-name': {
    kinds: ['certificate', ...ANCHOR, 'responder'],
    form: 'a dNSName of visible ASCII that is no host name, such as one with `https://`, in a path for clients',
    reason: 'it names a server: as the name of a client it equals nothing, and it satisfies no constraint',
  },
  'trailing-zero-bits': {
    kinds: ['certificate', ...ANCHOR, ...EVIDENCE],
    form: 'zero bits at the end of a named bit list',
    reason: 'a bit that is zero means nothing (X.690 §11.2.2)',
  },
  'name-order': {
    kinds: ['certificate', ...ANCHOR, ...EVIDENCE],
    form: 'attributes of one RDN in another order than that of DER',
    reason: 'they are compared as a set',
  },
} satisfies Readonly<Record<string, Deviation>>);

type ToleratedName = keyof typeof TOLERATED;

/** Whether a deviation is accepted in documents of a kind. */
export function isTolerated(name: ToleratedName, kind: DocumentKind): boolean {
  const { kinds }: Deviation = TOLERATED[name];
  return kinds.includes(kind);
}
