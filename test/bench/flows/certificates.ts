import { readFileSync } from 'node:fs';
import { pathsOf } from '../../../src/sandbox/sandbox-paths.ts';
import { authorityOf } from '../../../src/sandbox/pki/pki.ts';
import { qwacOf, TPP_PLANS } from '../../../src/sandbox/pki/tpps.ts';
import { parsePem } from '../../../src/x509/certificate/certificate.ts';
import type { Bank } from '../../durability/bank.ts';
import type { SandboxTpp } from '../../../src/sandbox/sandbox-description.ts';
import type { Identity } from '../tokens/generator.ts';

const DAY = 86_400_000;

/** New certificates of a TPP, for the key that it has. Their revocation is by CRL. */
export function certificateSource(bank: Bank, tpp: SandboxTpp): (count: number) => Promise<Identity[]> {
  const issuing = pathsOf(bank.folder).authority('issuing-ca');
  const certificatePem = readFileSync(issuing.certificateFile, 'utf8');
  const [der = Buffer.alloc(0)] = parsePem(certificatePem);
  const authority = authorityOf(
    { certificatePem, privateKeyPem: readFileSync(issuing.keyFile, 'utf8'), der, chainPem: certificatePem },
    { crlUrl: `${bank.description.revocationUrl}/issuing-ca.crl` },
  );
  const plan = TPP_PLANS.find(({ name }) => name === tpp.name);
  if (plan === undefined) throw new Error(`no plan of ${tpp.name}`);
  const keyPem = readFileSync(tpp.keyFile, 'utf8');
  const period = { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + DAY) };
  const issue = async (): Promise<Identity> => {
    const issued = await authority.issue({ ...qwacOf(plan, period), privateKeyPem: keyPem });
    return { certificatePem: issued.certificatePem, keyPem };
  };
  return (count) => Promise.all(Array.from({ length: count }, issue));
}
