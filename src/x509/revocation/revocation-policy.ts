import type { Certificate } from '../certificate/certificate.ts';
import type { CertIdHash, OcspPolicy } from '../ocsp/ocsp.ts';

/** How the revocation of certificates under some anchors is checked. Every relaxation is spelled out. */
export interface RevocationPolicy {
  /**
   * Which source is asked first; the other one is asked when the first does not answer. `both`: each source that the
   * certificate names must prove it good, so that a replayed old answer is found out. `none`: nothing is checked.
   */
  readonly mode: 'ocsp-first' | 'crl-first' | 'both' | 'none';
  /** Whether a certificate passes when no source proves a status. A revoked certificate is always refused. */
  readonly whenUnknown: 'refuse' | 'accept-and-report';
  /** Whether a certificate passes that names no source of its status. */
  readonly withoutPointers: 'refuse' | 'accept';
  /**
   * Whether an end entity passes unchecked that is too short-lived to be revoked: validity-assured short-term
   * (EN 319 412-1 cl. 5.2) or noRevAvail (RFC 9608).
   */
  readonly shortTerm: 'check' | 'accept';
  readonly ocsp: OcspPolicy;
  readonly certIdHash: CertIdHash;
  /** A CRL without nextUpdate is good for so long. Absent: not at all. */
  readonly crlMaxAgeSeconds?: number | undefined;
  /** The interval at which answers in use are renewed, which is how long a revocation may go unseen. */
  readonly refreshSeconds: number;
  /** How long after its nextUpdate an answer still counts while no newer one can be had. */
  readonly graceSeconds: number;
  /** How long a request may wait for all the answers about its path. */
  readonly budgetSeconds: number;
  /** The only `host` or `host:port` that may be asked. Absent: every host that certificates name. */
  readonly hosts?: readonly string[] | undefined;
  readonly pins: readonly RevocationPin[];
}

/** Addresses in place of those in the certificates of an issuer; an absent list leaves theirs in use. */
export interface RevocationPin {
  readonly issuer: Certificate;
  readonly ocspUrls?: readonly string[] | undefined;
  readonly crlUrls?: readonly string[] | undefined;
}

/** The default: strict, within the time of a login. */
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
