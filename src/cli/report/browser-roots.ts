import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';

/** A chain of a TPP has two to four certificates. */
const MAX_CHAIN = 8;

/**
 * Whether a certificate leads to a root, over the CAs that come with it in DER. An anchor of a trusted list is an
 * issuing CA, which may have a root above itself.
 *
 * @param roots PEM. Default: those of Mozilla, as Node has them
 */
export function isUnderRoot(chain: readonly Buffer[], roots: readonly string[] = rootCertificates): boolean {
  const bySubject = rootsBySubject(roots);
  const certificates = chain.map((der) => new X509Certificate(der));
  let [last] = certificates;
  for (let depth = 0; last !== undefined && depth < MAX_CHAIN; depth += 1) {
    const { issuer, subject } = last;
    const child = last;
    if (bySubject.get(issuer)?.some((root) => child.verify(root.publicKey)) === true) return true;
    if (issuer === subject) return false;
    last = certificates.find((one) => one.subject === issuer && child.verify(one.publicKey));
  }
  return false;
}

const parsed = new WeakMap<readonly string[], ReadonlyMap<string, readonly X509Certificate[]>>();

function rootsBySubject(roots: readonly string[]): ReadonlyMap<string, readonly X509Certificate[]> {
  const known = parsed.get(roots);
  if (known !== undefined) return known;
  const bySubject = Map.groupBy(
    roots.map((pem) => new X509Certificate(pem)),
    ({ subject }) => subject,
  );
  parsed.set(roots, bySubject);
  return bySubject;
}
