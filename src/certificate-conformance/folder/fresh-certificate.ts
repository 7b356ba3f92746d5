import { readFile, writeFile } from 'node:fs/promises';
import { systemClock } from '../../clock.ts';
import { pathsOf } from '../../sandbox/folder.ts';
import { authorityOf } from '../../sandbox/pki/pki.ts';
import { qwacOf, TPP_PLANS } from '../../sandbox/pki/tpps.ts';
import { readIssued } from '../../sandbox/revocation/published-authority.ts';
import { readRevocations, writeRevocations } from '../../sandbox/revocation/revocations.ts';
import { parseCertificate } from '../../x509/certificate/certificate.ts';
import type { Presented } from './prepared-folder.ts';
import { type PreparedFolder, TPP_OF } from './prepared-folder.ts';

/** A good certificate that no server has seen, and that its CA can revoke. */
export interface FreshCertificate {
  readonly presented: Presented;
  /** The next CRL and the next OCSP response have it. */
  revoke(): Promise<void>;
}

const ISSUER = 'issuing-ca';
const DAY = 86_400_000;

/** Issues a certificate of the first TPP. Called before the revocation service opens, which reads the issued numbers. */
export async function issueFreshCertificate(prepared: PreparedFolder): Promise<FreshCertificate> {
  const { folder, tester } = prepared;
  const paths = pathsOf(folder);
  const plan = TPP_PLANS.find(({ name }) => name === TPP_OF.tls);
  if (plan === undefined) throw new TypeError('there is no TPP of the client tls');
  const { certificateFile, keyFile } = paths.authority(ISSUER);
  const [certificatePem, privateKeyPem, issued] = await Promise.all([
    readFile(certificateFile, 'utf8'),
    readFile(keyFile, 'utf8'),
    readIssued(folder),
  ]);
  const authority = authorityOf(
    { certificatePem, privateKeyPem, der: new Uint8Array(), chainPem: certificatePem },
    { ocspUrl: `${tester.revocationUrl}/ocsp`, crlUrl: `${tester.revocationUrl}/${ISSUER}.crl` },
  );
  const now = systemClock.now();
  const period = { notBefore: new Date(now.getTime() - DAY), notAfter: new Date(tester.notAfter) };
  const fresh = await authority.issue(qwacOf({ ...plan, nca: tester.nca }, period));
  const { serialNumber } = parseCertificate(Buffer.from(fresh.der));
  const numbers = { ...issued, [ISSUER]: [...(issued[ISSUER] ?? []), serialNumber] };
  await writeFile(paths.issued, JSON.stringify(numbers), { mode: 0o600 });
  return {
    presented: { certificatePem: fresh.certificatePem + certificatePem, keyPem: fresh.privateKeyPem },
    revoke: async () => {
      const revocation = {
        authority: ISSUER,
        serialNumber,
        at: systemClock.now(),
        reason: 'keyCompromise',
      } as const;
      await writeRevocations(paths.revocations, [...(await readRevocations(paths.revocations)), revocation]);
    },
  };
}
