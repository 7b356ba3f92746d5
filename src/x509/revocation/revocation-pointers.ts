import { hash } from 'node:crypto';
import type { Certificate } from '../certificate/certificate.ts';
import type { CrlIndex } from '../crl/crl-index.ts';
import type { CrlDistributionPoint } from '../certificate/distribution-point.ts';
import type { VerifiedPath } from '../path/path.ts';
import type { RevocationPin, RevocationPolicy } from './revocation-policy.ts';

/** A certificate of a verified path and the certificates above it. */
export interface CheckedCertificate {
  readonly certificate: Certificate;
  readonly issuer: Certificate;
  /** Above the issuer, anchor last. */
  readonly pathAbove: readonly Certificate[];
  readonly isEndEntity: boolean;
  readonly key: RevocationKey;
}

/**
 * The identity of a revoked certificate. A thumbprint does not do, since anyone can change an ECDSA signature into
 * another valid one; nor does the issuer's name, which two CAs may share.
 */
export interface RevocationKey {
  /** Hexadecimal SHA-256 of the issuer's SubjectPublicKeyInfo. */
  readonly issuerKeyHash: string;
  /** Lower-case hexadecimal octets, as `Certificate` has it. */
  readonly serialNumber: string;
}

/** Every certificate of a path below its anchor: an anchor is removed by configuration. */
export function checkedCertificates({ certificates }: VerifiedPath): readonly CheckedCertificate[] {
  return certificates.slice(0, -1).flatMap((certificate, index) => {
    const issuer = certificates[index + 1];
    if (issuer === undefined) return [];
    const pathAbove = certificates.slice(index + 2);
    return [
      { certificate, issuer, pathAbove, isEndEntity: index === 0, key: revocationKey(certificate, issuer) },
    ];
  });
}

export function revocationKey({ serialNumber }: Certificate, issuer: Certificate): RevocationKey {
  return { issuerKeyHash: hash('sha256', issuer.publicKeyInfo, 'hex'), serialNumber };
}

const OCSP = '1.3.6.1.5.5.7.48.1';
/** Alternatives that are tried for one answer, and parts that a list may be in: real certificates have one or two. */
const MAX_URLS = 2;
const MAX_POINTS = 4;

/** The addresses of OCSP responders, in order (RFC 5280 §4.2.2.1). */
export function ocspUrls(
  { certificate, issuer }: CheckedCertificate,
  policy: RevocationPolicy,
): readonly string[] {
  return (findPin(issuer, policy)?.ocspUrls ?? namedOcspUrls(certificate)).slice(0, MAX_URLS);
}

/** The first addresses of responders that a certificate names itself. */
export function namedOcspUrls({ authorityInformationAccess }: Certificate): readonly string[] {
  const own = authorityInformationAccess.flatMap(({ method, location }) =>
    method === OCSP && location.kind === 'uri' ? [location.value] : [],
  );
  return own.filter(isHttp).slice(0, MAX_URLS);
}

/** The addresses of lists that a certificate names itself. */
export function namedCrlUrls({ crlDistributionPoints }: Certificate): readonly string[] {
  return urlsOf(crlDistributionPoints).flat();
}

/** The alternative addresses of the list of each distribution point (RFC 5280 §4.2.1.13), LDAP left out. */
export function crlUrls(
  { certificate, issuer }: CheckedCertificate,
  policy: RevocationPolicy,
): readonly (readonly string[])[] {
  const pinned = findPin(issuer, policy)?.crlUrls;
  return pinned?.map((url) => [url]) ?? urlsOf(certificate.crlDistributionPoints);
}

/**
 * The same for the delta lists that the certificate or its lists announce (RFC 5280 §4.2.1.15, §5.2.6). A pin
 * that replaces the lists replaces the delta lists too.
 */
export function deltaUrls(
  { certificate, issuer }: CheckedCertificate,
  policy: RevocationPolicy,
  lists: readonly CrlIndex[],
): readonly (readonly string[])[] {
  if (findPin(issuer, policy)?.crlUrls !== undefined) return [];
  const points = [certificate, ...lists.map(({ scope }) => scope)].flatMap(({ freshestCrl }) => freshestCrl);
  const known = new Set<string>();
  return urlsOf(points).filter((urls) => !known.has(urls.join()) && known.add(urls.join()));
}

function urlsOf(points: readonly CrlDistributionPoint[]): readonly (readonly string[])[] {
  return points
    .map(({ fullName }) => fullName.flatMap((name) => (name.kind === 'uri' ? [name.value] : [])))
    .map((urls) => urls.filter(isHttp).slice(0, MAX_URLS))
    .filter((urls) => urls.length > 0)
    .slice(0, MAX_POINTS);
}

function findPin(issuer: Certificate, { pins }: RevocationPolicy): RevocationPin | undefined {
  return pins.find((pin) => pin.issuer.publicKeyInfo.equals(issuer.publicKeyInfo));
}

function isHttp(url: string): boolean {
  return /^https?:/i.test(url);
}

const SHORT_TERM = ['0.4.0.194121.2.1', '2.5.29.56'];
/** CA/Browser Forum BR §1.6.1 calls a certificate short-lived up to seven days. */
const MAX_SHORT_SECONDS = 7 * 86_400;

/** Whether an end entity has an extension for short-term certificates, and a lifetime that is short enough. */
export function isShortTerm({ certificate, isEndEntity }: CheckedCertificate): boolean {
  const seconds = (certificate.notAfter.getTime() - certificate.notBefore.getTime()) / 1000;
  return (
    isEndEntity && seconds <= MAX_SHORT_SECONDS && SHORT_TERM.some((oid) => certificate.extensions.has(oid))
  );
}
