import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';

export const CERTIFICATE_BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** id-ad-caIssuers of authority information access, as Node prints it. */
const ISSUERS = /^CA Issuers - /m;
let publicRoots: readonly X509Certificate[] | undefined;

/**
 * The faults of a chain that a server sends: certificates in the wrong order (RFC 8446 §4.4.2), an intermediate that is
 * missing or not valid at `at`. A missing one is noticed only where the last certificate says that its issuer can be
 * fetched, and no public root and no root of `issuersPem` is that issuer. Clients that have an intermediate already notice none of this.
 */
export function findChainProblems(
  [first, ...others]: readonly [X509Certificate, ...X509Certificate[]],
  { at, issuersPem }: { readonly at: Date; readonly issuersPem: string },
): readonly string[] {
  const problems: string[] = [];
  let last = first;
  for (const [index, next] of others.entries()) {
    if (!isIssuedBy(last, next)) {
      problems.push(`certificate ${index + 2} (${shown(next)}) did not issue certificate ${index + 1}`);
    }
    if (next.validToDate <= at || next.validFromDate > at) {
      problems.push(`certificate ${index + 2} (${shown(next)}) is not valid now`);
    }
    last = next;
  }
  if (isIssuerMissing(last, issuersPem)) {
    problems.push(
      `the certificate of the issuer is missing: ${last.issuer.replaceAll('\n', ', ').slice(0, 100)}`,
    );
  }
  return problems;
}

function isIssuerMissing(last: X509Certificate, issuersPem: string): boolean {
  if (isIssuedBy(last, last) || !ISSUERS.test(last.infoAccess ?? '')) return false;
  publicRoots ??= rootCertificates.map((pem) => new X509Certificate(pem));
  return ![...rootsOf(issuersPem), ...publicRoots].some((root) => last.checkIssued(root));
}

/** The self-signed ones: an intermediate that clients lack is missing wherever else it is known. */
function rootsOf(pem: string): readonly X509Certificate[] {
  return (pem.match(CERTIFICATE_BLOCK) ?? [])
    .map((block) => new X509Certificate(block))
    .filter((one) => isIssuedBy(one, one));
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function shown({ subject }: X509Certificate): string {
  return (subject ?? '').replaceAll('\n', ', ').slice(0, 100);
}
