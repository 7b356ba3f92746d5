import type { Certificate } from '../certificate/certificate.ts';
import type { CrlIndex } from './crl-index.ts';
import { namesEqual } from '../certificate/distinguished-name.ts';
import { type PathOptions, type PathPolicy, type VerifiedPath, verifyPath } from '../path/path.ts';

/** The end entity, or a CA in its place, signs CRLs; its other uses do not matter. */
const CRL_SIGNER_POLICY: PathPolicy = Object.freeze({
  keyPurpose: 'any',
  endEntityUsage: 'cRLSign',
  absentExtendedKeyUsage: 'allow',
});

/**
 * Proves that a path leads from a certificate with cRLSign to an anchor. A list that this certificate signed counts for
 * certificates whose path ends at the same anchor.
 *
 * @throws ERR_CERT_*, except ERR_CERT_MISSING
 * @see RFC 5280 §6.3.3 (f)
 */
export function verifyCrlSigner(
  signer: Certificate,
  options: Omit<PathOptions, 'policy'> & { readonly issuance?: PathPolicy['issuance'] },
): VerifiedPath {
  const { issuance = 'rfc5280', ...rest } = options;
  return verifyPath(signer, { ...rest, policy: { ...CRL_SIGNER_POLICY, issuance } });
}

interface Candidates {
  readonly issuer: Certificate;
  readonly pathAbove?: readonly Certificate[];
  readonly signers?: readonly VerifiedPath[];
  readonly at: Date;
}

/** The certificate whose key signed a list; `path` when it is not on the path of the certificate in question. */
export interface CrlSigner {
  readonly certificate: Certificate;
  readonly path?: VerifiedPath;
}

/** The proven certificate whose key signed the list, or why there is none (RFC 5280 §6.3.3 (f)(g)). */
export function findSigner(crl: CrlIndex, candidates: Candidates): CrlSigner | string {
  const { issuer, pathAbove = [], signers = [], at } = candidates;
  const anchor = pathAbove.at(-1) ?? issuer;
  let first: string | undefined;
  for (const certificate of [issuer, ...pathAbove]) {
    const problem = findProblem(crl, certificate, at);
    if (problem === undefined) return { certificate };
    first ??= problem;
  }
  for (const path of signers) {
    const [certificate] = path.certificates;
    const isProven =
      path.certificates.at(-1)?.der.equals(anchor.der) === true &&
      path.notBefore <= at &&
      at <= path.notAfter;
    if (certificate !== undefined && isProven && findProblem(crl, certificate, at) === undefined) {
      return { certificate, path };
    }
  }
  return first ?? 'no certificate is named like its issuer';
}

function findProblem(crl: CrlIndex, signer: Certificate, at: Date): string | undefined {
  if (!namesEqual(signer.subject, crl.issuer)) return 'the list is of another issuer';
  if (signer.keyUsage?.has('cRLSign') === false)
    return 'the key usage of its issuer does not allow to sign lists';
  if (!(signer.notBefore <= at && at <= signer.notAfter)) return 'the certificate of its issuer is not valid';
  return crl.findSignerProblem(signer);
}
