import type { Certificate } from '../certificate/certificate.ts';
import type { CertIdHash, OcspPolicy } from '../ocsp/ocsp.ts';

/** How the revocation of certificates under some anchors is checked. Every relaxation is spelled out. */
export interface RevocationPolicy {
  /**
   * Which source is asked first; the other one is asked when it gives no answer. `both`: each that the certificate names
   * must prove it good, so that an old answer that somebody replays is found out. `none`: nothing is checked.
   */
  readonly mode: 'ocsp-first' | 'crl-first' | 'both' | 'none';
  /** What happens when no source proves a status. A revoked certificate is refused whatever this says. */
  readonly whenUnknown: 'refuse' | 'accept-and-report';
  /** What happens to a certificate that does not say where its status is. */
  readonly withoutPointers: 'refuse' | 'accept';
  /**
   * What happens to an end entity that says that it lives too shortly to be revoked: validity-assured short-term
   * (EN 319 412-1 cl. 5.2) or noRevAvail (RFC 9608).
   */
  readonly shortTerm: 'check' | 'accept';
  readonly ocsp: OcspPolicy;
  readonly certIdHash: CertIdHash;
  /** A CRL without nextUpdate is good for so long. Absent: not at all. */
  readonly crlMaxAgeSeconds?: number;
  /** An answer that is in use is asked for anew after so long, which is how long a revocation may go unseen. */
  readonly refreshSeconds: number;
  /** How long after its nextUpdate an answer still counts while no newer one can be had. */
  readonly graceSeconds: number;
  /** How long a request may wait for all the answers about its path. */
  readonly budgetSeconds: number;
  /** The only `host` or `host:port` that may be asked. Absent: any that certificates name. */
  readonly hosts?: readonly string[];
  readonly pins: readonly RevocationPin[];
}

/** Addresses in place of those that certificates of an issuer name; a list that is left out is theirs. */
export interface RevocationPin {
  readonly issuer: Certificate;
  readonly ocspUrls?: readonly string[];
  readonly crlUrls?: readonly string[];
}

/** Strict, and as quick as a login has to be. */
export const STRICT_REVOCATION: RevocationPolicy = Object.freeze({
  mode: 'ocsp-first',
  whenUnknown: 'refuse',
  withoutPointers: 'refuse',
  shortTerm: 'check',
  ocsp: Object.freeze({}),
  certIdHash: 'sha1',
  refreshSeconds: 300,
  graceSeconds: 0,
  budgetSeconds: 1.5,
  pins: Object.freeze([]),
});
