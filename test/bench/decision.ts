import { createPrivateKey, createPublicKey, hash, X509Certificate } from 'node:crypto';
import { silentLog } from '../../src/events.ts';
import { type Authority, createAuthority } from '../../src/sandbox/pki/pki.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { createTppAuthenticator } from '../../src/tpp/authenticate.ts';
import { createBlockList } from '../../src/tpp/block-list/block-list.ts';
import { createTrustProfile } from '../../src/tpp/trust-profile.ts';
import { parseCertificate } from '../../src/x509/certificate/certificate.ts';
import { ocspStatus, parseOcspResponse, writeOcspRequest } from '../../src/x509/ocsp/ocsp.ts';
import { TLS_CLIENT_POLICY, verifyPath } from '../../src/x509/path/path.ts';
import { openRevocation, STRICT_REVOCATION } from '../../src/x509/revocation/revocation.ts';
import { createRegistry, parseTppRecords } from '../../tpp-registry/index.ts';
import { NOW, type Party } from '../x509/certificate-factory.ts';
import { byKey } from '../x509/ocsp/ocsp-factory.ts';
import { answerTo, ResponderFarm } from '../x509/revocation/responder-farm.ts';

// The decision about a TPP certificate on one core: a path of three certificates parsed and validated from its bytes,
// beside Node parsing the same three and verifying the two signatures; an OCSP answer; and the whole decision (path, statements, block
// list, revocation of two certificates, registry, roles) for a certificate that is known, beside SHA-256 over it.
const ROUNDS = 9;
const PERIOD = { notBefore: new Date('2026-01-01'), notAfter: new Date('2028-01-01') };
const NCA = { id: 'GB-FCA', name: 'Financial Conduct Authority' };
const clock = { now: () => NOW };

const root = await createAuthority({ name: 'Root', ...PERIOD });
const issuing = await createAuthority({ name: 'Issuing', parent: root, ...PERIOD });
const tpp = await issuing.issue({
  profile: 'qwac',
  subject: { commonName: 'acme.example', organization: 'Acme Ltd' },
  authorizationNumber: '123456',
  nca: NCA,
  roles: ['PSP_AI', 'PSP_PI'],
  ...PERIOD,
});

function partyOf({ der, privateKeyPem }: Authority): Party {
  const privateKey = createPrivateKey(privateKeyPem);
  const keys = { privateKey, publicKey: createPublicKey(privateKeyPem) };
  return { der: Buffer.from(der), certificate: parseCertificate(der), keys, name: Buffer.alloc(0) };
}

const farm = await new ResponderFarm().listen();
const authorities = { '/root': partyOf(root), '/issuing': partyOf(issuing) };
for (const [path, by] of Object.entries(authorities)) {
  farm.serveOcsp(path, (asked) => answerTo(asked, by, { responderId: byKey(by) }));
}
const revocation = openRevocation({
  clock,
  log: silentLog,
  privateHosts: [farm.host],
  ocspTimeoutSeconds: 5,
  crlTimeoutSeconds: 5,
  maxCrlBytes: 1_000_000,
  coolDownSeconds: 15,
});
const record = {
  authorizationNumber: 'PSDGB-FCA-123456',
  legalName: 'Acme Ltd',
  nca: { id: 'GB-FCA' },
  country: 'GB',
  roles: ['PSP_AI', 'PSP_PI'],
  status: 'active',
  statusSince: '2026-01-31',
};
const authenticator = createTppAuthenticator({
  trust: [
    {
      current: createTrustProfile({
        preset: 'eu-qualified',
        anchorsPem: root.certificatePem,
        intermediatesPem: issuing.certificatePem,
        revocation: {
          ...STRICT_REVOCATION,
          pins: Object.entries(authorities).map(([path, { certificate }]) => ({
            issuer: certificate,
            ocspUrls: [farm.url(path)],
          })),
        },
      }),
    },
  ],
  authorisationStatus: new AuthorisationStatus({
    registry: createRegistry(parseTppRecords(JSON.stringify({ tpps: [record] }), { source: 'bench' }), NOW),
    blockList: createBlockList([]),
    hostCountry: 'GB',
  }),
  revocation,
  clock,
});
const presented = { der: tpp.der, thumbprint: hash('sha256', tpp.der, 'base64url') };

const chain = [tpp.der, issuing.der, root.der].map((bytes) => Buffer.from(bytes));
function validate(): void {
  const [endEntity, intermediate, anchor] = chain.map(parseCertificate);
  if (endEntity === undefined || intermediate === undefined || anchor === undefined)
    throw new Error('no chain');
  const at = NOW;
  verifyPath(endEntity, { anchors: [anchor], intermediates: [intermediate], at, policy: TLS_CLIENT_POLICY });
}
function verifyByNode(): void {
  const [endEntity, intermediate, anchor] = chain.map((bytes) => new X509Certificate(bytes));
  if (endEntity === undefined || intermediate === undefined || anchor === undefined)
    throw new Error('no chain');
  const isGood = endEntity.verify(intermediate.publicKey) && intermediate.verify(anchor.publicKey);
  if (!isGood) throw new Error('a signature is wrong');
}

const about = { certificate: parseCertificate(tpp.der), issuer: parseCertificate(issuing.der), at: NOW };
const request = writeOcspRequest(about, { hash: 'sha1' });
const answer = await fetch(farm.url('/issuing'), { method: 'POST', body: new Uint8Array(request) });
const response = Buffer.from(await answer.arrayBuffer());
function judge(): void {
  if (ocspStatus(parseOcspResponse(response), about).status !== 'good') throw new Error('not good');
}

/** Microseconds of CPU, of all threads, for one call. */
async function costOf(times: number, run: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  for (let count = 0; count < times; count += 1) {
    const result = run();
    if (result instanceof Promise) await result;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

const decide = () => authenticator.authenticate(presented);
const measured = { path: [], node: [], known: [], hash: [], ocsp: [] } as Record<
  'path' | 'node' | 'known' | 'hash' | 'ocsp',
  number[]
>;
await decide();
const asked = farm.hits.length - 1;
for (let round = -1; round < ROUNDS; round += 1) {
  const costs = {
    path: await costOf(2000, validate),
    node: await costOf(2000, verifyByNode),
    ocsp: await costOf(2000, judge),
    known: await costOf(100_000, decide),
    hash: await costOf(100_000, () => hash('sha256', tpp.der, 'base64url')),
  };
  // The first round warms up.
  if (round >= 0)
    for (const name of ['path', 'node', 'known', 'hash', 'ocsp'] as const) measured[name].push(costs[name]);
}
await revocation.close();
await farm.close();

const { path, node, known } = {
  path: median(measured.path),
  node: median(measured.node),
  known: median(measured.known),
};
const ratio = (of: readonly number[], to: readonly number[]): string =>
  median(of.map((one, round) => one / (to[round] ?? 1))).toFixed(2);
console.log(`median of ${ROUNDS} rounds, CPU of one core; requests to the responders: ${asked}`);
console.log(
  `path of three, parsed and validated: ${Math.round(1e6 / path)} a second (${path.toFixed(0)} us)`,
);
console.log(
  `Node, the same parsed and verified:  ${Math.round(1e6 / node)} a second (${node.toFixed(0)} us)`,
);
console.log(`ratio of the two, by round: ${ratio(measured.path, measured.node)}`);
console.log(`OCSP answer of the issuer, parsed and judged: ${median(measured.ocsp).toFixed(0)} us`);
console.log(`decision for a known certificate: ${known.toFixed(2)} us`);
console.log(`ratio to SHA-256 over the certificate: ${ratio(measured.known, measured.hash)}`);
