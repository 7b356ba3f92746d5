import { TLS_CLIENT_POLICY, type VerifiedPath, verifyPath } from '../../src/x509/path/path.ts';
import * as factory from './certificate-factory.ts';
import { general, issue, NOW, type Party } from './certificate-factory.ts';
import * as der from './der-writer.ts';
import { minutes, STATUS } from './ocsp/ocsp-factory.ts';
import { type Asked, answerTo, crl, type ResponderFarm } from './revocation/responder-farm.ts';

/** authorityInfoAccess with one OCSP responder. */
export const ocspAt = (url: string): Buffer =>
  factory.extension(
    '1.3.6.1.5.5.7.1.1',
    der.sequence(der.sequence(der.oid('1.3.6.1.5.5.7.48.1'), general.uri(url))),
  );
/** cRLDistributionPoints with one list. */
export const crlAt = (url: string): Buffer =>
  factory.extension(
    '2.5.29.31',
    der.sequence(der.sequence(der.context(0, der.context(0, general.uri(url))))),
  );

export interface Chain {
  readonly root: Party;
  readonly issuing: Party;
  readonly tpp: Party;
  readonly path: VerifiedPath;
}

/** Root, issuing CA and TPP; `pointers` of the two that are checked. */
export function chainOf(
  pointers: { readonly tpp: readonly Buffer[]; readonly issuing: readonly Buffer[] },
  tpp: factory.IssueOptions = {},
): Chain {
  const root = issue('authority', 'root');
  const issuing = issue('authority', 'issuing', { issuer: root, extra: pointers.issuing });
  const leaf = issue('end entity', 'tpp', {
    issuer: issuing,
    ...tpp,
    extra: [...pointers.tpp, ...(tpp.extra ?? [])],
  });
  return { root, issuing, tpp: leaf, path: pathOf(leaf, issuing, root) };
}

export function pathOf(leaf: Party, issuing: Party, root: Party, at: Date = NOW): VerifiedPath {
  return verifyPath(leaf.certificate, {
    anchors: [root.certificate],
    intermediates: [issuing.certificate],
    at,
    policy: TLS_CLIENT_POLICY,
  });
}

/** A chain whose two certificates are answered for by OCSP at /tpp and /issuing, signed by their issuers. */
export function ocspChain(farm: ResponderFarm, options: factory.IssueOptions = {}): Chain {
  const chain = chainOf(
    { tpp: [ocspAt(farm.url('/tpp'))], issuing: [ocspAt(farm.url('/issuing'))] },
    options,
  );
  serveOcsp(farm, chain);
  return chain;
}

/** The same by CRL at /tpp.crl and /issuing.crl. */
export function crlChain(farm: ResponderFarm): Chain {
  const chain = chainOf({ tpp: [crlAt(farm.url('/tpp.crl'))], issuing: [crlAt(farm.url('/issuing.crl'))] });
  serveCrls(farm, chain);
  return chain;
}

/** Both. */
export function bothChain(farm: ResponderFarm): Chain {
  const pointers = (name: string) => [ocspAt(farm.url(`/${name}`)), crlAt(farm.url(`/${name}.crl`))];
  const chain = chainOf({ tpp: pointers('tpp'), issuing: pointers('issuing') });
  serveOcsp(farm, chain);
  serveCrls(farm, chain);
  return chain;
}

export function serveOcsp(farm: ResponderFarm, { issuing, root }: Chain): void {
  farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing));
  farm.serveOcsp('/issuing', (asked) => answerTo(asked, root));
}

export function serveCrls(farm: ResponderFarm, { issuing, root }: Chain): void {
  farm.serve('/tpp.crl', () => crl(issuing));
  farm.serve('/issuing.crl', () => crl(root));
}

export const revokedAnswer = (asked: Asked, by: Party): Buffer =>
  answerTo(asked, by, { status: STATUS.revoked(minutes(-90), 1) });
