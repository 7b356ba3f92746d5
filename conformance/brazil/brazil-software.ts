import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { systemClock } from '../../src/clock.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { qwacOf, TPP_PLANS } from '../../src/sandbox/pki/tpps.ts';
import type { CertificateFiles } from '../../src/sandbox/folder.ts';
import type { ListedSoftware } from '../../src/sandbox/registers/software-directory.ts';
import type { ClientKey } from '../client-keys.ts';

/** The TPP of the sandbox that has a software in the directory. */
const TPP = 'money-one';
/** UID of the certificate. */
const SOFTWARE_ID = '2f6e7d0c-54a5-4f0e-9c35-8f1f0b6f5b11';
/** OU of the certificate: that of Brazil until 2022, since a certificate has one organizationIdentifier, which is that of PSD2. */
const ORGANISATION_ID = '74e929d9-33b6-4d85-8ba7-c146c867a817';
const DAY = 86_400_000;

/** A software of Brazil: its entry of the directory, its keys, and the certificate that names it. */
export interface BrazilSoftware extends CertificateFiles {
  /** The CA of the certificate: a trust anchor. */
  readonly caFile: string;
  readonly listed: Pick<ListedSoftware, 'softwareId' | 'orgId' | 'registrationId' | 'name' | 'organisation'>;
  /** Private keys, for the suite: one for signatures, one for encryption. */
  readonly privateKeys: readonly JWK[];
  /** The public ones, for the directory. */
  readonly publicKeys: readonly JWK[];
}

/** Makes the CA, the certificate and the key for encryption. @throws TypeError when the sandbox does not have the TPP */
export async function makeBrazilSoftware(folder: string, signing: ClientKey): Promise<BrazilSoftware> {
  const plan = TPP_PLANS.find(({ name }) => name === TPP);
  if (plan === undefined) throw new TypeError(`there is no TPP ${TPP}`);
  const now = systemClock.now().getTime();
  const period = { notBefore: new Date(now - DAY), notAfter: new Date(now + DAY) };
  // An RSA key, as the CAs of Brazil have: the suite imitates the certificate with one.
  const ca = await createAuthority({
    name: 'Conformance CA of Brazil',
    country: 'BR',
    keyType: 'rsa-2048',
    ...period,
  });
  const qwac = qwacOf(plan, period);
  const certificate = await ca.issue({
    ...qwac,
    subject: { ...qwac.subject, unit: ORGANISATION_ID, userId: SOFTWARE_ID },
  });
  const encryption = await encryptionKey();
  const at = (name: string) => join(folder, name);
  const files = {
    caFile: at('brazil-ca.pem'),
    certificateFile: at('brazil-tpp.pem'),
    keyFile: at('brazil-tpp.key'),
  };
  await mkdir(folder, { recursive: true });
  await Promise.all([
    writeFile(files.caFile, ca.certificatePem),
    writeFile(files.certificateFile, certificate.certificatePem),
    writeFile(files.keyFile, certificate.privateKeyPem, { mode: 0o600 }),
  ]);
  return {
    ...files,
    listed: {
      softwareId: SOFTWARE_ID,
      orgId: ORGANISATION_ID,
      registrationId: plan.number,
      name: plan.tradingName,
      organisation: plan.legalName,
    },
    privateKeys: [signing.privateJwk, encryption.privateJwk],
    publicKeys: [signing.publicJwk, encryption.publicJwk],
  };
}

async function encryptionKey(): Promise<ClientKey> {
  const { privateKey, publicKey } = await generateKeyPair('RSA-OAEP-256', { extractable: true });
  const facts = { kid: 'encryption', use: 'enc', alg: 'RSA-OAEP-256' };
  const [secret, open] = await Promise.all([exportJWK(privateKey), exportJWK(publicKey)]);
  return { privateJwk: { ...secret, ...facts }, publicJwk: { ...open, ...facts } };
}
