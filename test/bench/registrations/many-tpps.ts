import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type CertificateFiles, certificateFiles, pathsOf } from '../../../src/sandbox/sandbox-paths.ts';
import { authorityOf } from '../../../src/sandbox/pki/pki.ts';
import {
  organizationIdentifierOf,
  qwacOf,
  SANDBOX_NCA,
  type TppPlan,
} from '../../../src/sandbox/pki/tpps.ts';
import { parsePem } from '../../../src/x509/certificate/certificate.ts';
import type { Bank } from '../../durability/bank.ts';

/** A TPP of the registry, with its certificate. */
export interface BenchTpp extends CertificateFiles {
  readonly plan: TppPlan;
  readonly authorizationNumber: string;
}

const FIRST_NUMBER = 700_000;
const DAY = 86_400_000;

/** Adds TPPs to the registry of a bank, with certificates of its issuing CA. Revocation is by its CRL. */
export async function addTpps(bank: Bank, count: number): Promise<readonly BenchTpp[]> {
  const paths = pathsOf(bank.folder);
  const issuing = paths.authority('issuing-ca');
  const certificatePem = readFileSync(issuing.certificateFile, 'utf8');
  const [der = Buffer.alloc(0)] = parsePem(certificatePem);
  const privateKeyPem = readFileSync(issuing.keyFile, 'utf8');
  const crlUrl = `${bank.description.revocationUrl}/issuing-ca.crl`;
  const authority = authorityOf({ certificatePem, privateKeyPem, der, chainPem: certificatePem }, { crlUrl });
  const period = { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + DAY) };
  mkdirSync(join(bank.folder, 'many'));
  const tpps: BenchTpp[] = [];
  for (let at = 0; at < count; at += 1) {
    const name = `tpp-${at}`;
    const plan: TppPlan = {
      ...{ name, legalName: `TPP ${at} Ltd`, tradingName: `TPP ${at}`, number: String(FIRST_NUMBER + at) },
      ...{ roles: ['PSP_PI', 'PSP_AI', 'PSP_IC'], nca: SANDBOX_NCA, status: 'active' },
    };
    const files = certificateFiles(join(bank.folder, 'many', name));
    const issued = await authority.issue(qwacOf(plan, period));
    writeFileSync(files.certificateFile, issued.certificatePem);
    writeFileSync(files.keyFile, issued.privateKeyPem);
    tpps.push({ ...files, plan, authorizationNumber: organizationIdentifierOf(plan) });
  }
  const records = tpps.map(({ plan, authorizationNumber }) => ({
    ...{
      authorizationNumber,
      legalName: plan.legalName,
      tradingName: plan.tradingName,
      nca: { ...plan.nca },
    },
    ...{ country: 'GB', roles: [...plan.roles], status: 'active', statusSince: '2026-01-31' },
  }));
  const [, entries = ''] = stringify({ tpps: records }).split('tpps:\n');
  appendFileSync(paths.registry, entries);
  return tpps;
}
