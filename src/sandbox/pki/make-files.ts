import { X509Certificate } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { stringify } from 'yaml';
import { systemClock } from '../../clock.ts';
import { type BrokenCertificate, makeBrokenCertificates } from './broken-certificates.ts';
import { describeTpp, type FolderContent, PKCS12_PASSPHRASE, type SandboxTpp } from '../folder.ts';
import { publishFirst } from '../registers/publication.ts';
import {
  EU_TPP_PLANS,
  listsUrlOf,
  QTSP_PLANS,
  TERRITORIES,
  UK_TPP_PLANS,
} from '../registers/register-plans.ts';
import {
  BANK_API,
  type CertificateFiles,
  certificateFiles,
  pathsOf,
  type TppCertificateFiles,
} from '../sandbox-paths.ts';
import { keyOf } from './keys.ts';
import { pkcs12 } from './pkcs12.ts';
import { type Authority, createAuthority, type IssuedCertificate } from './pki.ts';
import { CLIENT_AUTH, type Validity } from './issue-options.ts';
import { type Revocation, writeRevocations } from '../revocation/revocations.ts';
import { SANDBOX_ORGANIZATION } from '../../tpp/trust-files.ts';
import { organizationIdentifierOf, qwacOf, SANDBOX_NCA, TPP_PLANS, type TppPlan } from './tpps.ts';

// A script: makes the PKI, the TPPs' certificates and the registry of a new sandbox, as its argument asks.
const [, , text = ''] = process.argv;
const content = JSON.parse(text) as FolderContent;
const { folder, revocationUrl, notBefore, notAfter, host, authorityPrefix, nca, hasRegisters } = content;
const period: Validity = { notBefore: new Date(notBefore), notAfter: new Date(notAfter) };
const plans = TPP_PLANS.map((plan) => ({ ...plan, nca: nca ?? plan.nca }));
const paths = pathsOf(folder);
/** The serial numbers issued by each CA that publishes. */
const issued: Record<string, string[]> = { root: [], 'issuing-ca': [], 'revoked-ca': [] };
await makeFiles();

async function makeFiles(): Promise<void> {
  const root = await sandboxAuthority('Root CA', 'root');
  const [issuer, revoked, unpublished, impostor, stranger, server] = await Promise.all([
    sandboxAuthority('Issuing CA', 'issuing-ca', { parent: root }),
    sandboxAuthority('Revoked Issuing CA', 'revoked-ca', { parent: root }),
    sandboxAuthority('Unpublished Issuing CA', 'unpublished-ca', { parent: root }),
    createAuthority(named('Issuing CA')),
    createAuthority(named('Stranger CA')),
    root.issue({
      profile: 'server',
      keyType: content.serverKeyType,
      subject: { commonName: 'localhost' },
      hosts: host === undefined ? [] : [host],
      ...period,
    }),
  ]);
  const [broken] = await Promise.all([
    makeBroken({ issuer, revoked, unpublished, impostor, stranger }),
    makeTpps(plans, 'issuing-ca', issuer),
    makeBank(),
    hasRegisters ? makeRegisters(root, issuer) : undefined,
    publish('root', root),
    publish('issuing-ca', issuer),
    publish('revoked-ca', revoked),
    write(paths.intermediates, issuer.certificatePem + revoked.certificatePem),
    writeCertificate(paths.server, record('root', server)),
    write(paths.registry, registryText()),
  ]);
  for (const authority of [issuer, revoked, unpublished]) record('root', authority);
  await write(paths.issued, JSON.stringify(issued));
  await writeRevocations(paths.revocations, [
    revocationOf('root', revoked),
    ...broken.filter(({ isRevoked }) => isRevoked).map((one) => revocationOf('issuing-ca', one.certificate)),
  ]);
}

/** The public registers: the server of the EBA's, the signers of lists, the QTSPs with the TPPs that have their certificates. */
async function makeRegisters(root: Authority, issuer: Authority): Promise<void> {
  const { registers } = paths;
  const server = await root.issue({
    profile: 'server',
    subject: { commonName: 'localhost' },
    keyType: 'ec-p256',
    ...period,
  });
  await writeCertificate(registers.server, record('root', server));
  await Promise.all([
    ...['EU', ...TERRITORIES].map((territory) => makeListSigner(territory)),
    makeTpps(UK_TPP_PLANS, 'issuing-ca', issuer),
    makeUkClient(root),
  ]);
  await Promise.all(
    QTSP_PLANS.map(async ({ name, authority, territory, isFormer = false }) => {
      issued[name] = [];
      const qtsp = await sandboxAuthority(authority, name, { country: territory });
      await publish(name, qtsp);
      const tpps = EU_TPP_PLANS.filter((plan) => plan.qtsp === name);
      await (isFormer ? makeFormerCertificate(qtsp) : makeTpps(tpps, name, qtsp));
    }),
  );
  const times = { since: period.notBefore, nextUpdate: period.notAfter, at: systemClock.now() };
  await publishFirst(folder, { listsUrl: listsUrlOf(revocationUrl), ...times });
}

/** The demo bank's own CA, which no TPP has a certificate of, and the certificate of its APIs. */
async function makeBank(): Promise<void> {
  const { ca, api } = paths.bank;
  const authority = await createAuthority({ name: 'Demo Bank Internal CA', ...period });
  const certificate = await authority.issue({
    profile: 'server',
    subject: { commonName: BANK_API },
    keyType: 'ec-p256',
    deviation: { extendedKeyUsage: [CLIENT_AUTH] },
    ...period,
  });
  await Promise.all([write(ca, authority.certificatePem), writeCertificate(api, certificate)]);
}

/** The bank's way into the UK directory: a certificate, and the key of its assertions. */
async function makeUkClient(root: Authority): Promise<void> {
  const { ukClient } = paths.registers;
  const subject = { commonName: 'bank.example', organization: 'Demo Bank' };
  const client = { profile: 'qwac', subject, nca: SANDBOX_NCA, authorizationNumber: '900000' } as const;
  await writeCertificate(ukClient, record('root', await root.issue({ ...client, ...period })));
  const key = await keyOf('rsa-2048');
  await write(ukClient.signingKeyFile, key.export({ type: 'pkcs8', format: 'pem' }));
}

async function makeListSigner(territory: string): Promise<void> {
  const { registers } = paths;
  const signer = await createAuthority(named(`signer of the list ${territory}`, territory));
  await writeCertificate(registers.listSigner(territory), signer);
  if (territory === 'EU') await write(registers.officialJournal, signer.certificatePem);
}

/** A QWAC that was issued when the service of its issuer was no longer granted. */
async function makeFormerCertificate(qtsp: Authority): Promise<void> {
  const plan = EU_TPP_PLANS.find(({ name }) => name === 'travel-pay');
  if (plan === undefined) throw new TypeError('there is no TPP with a former issuer');
  const files = certificateFiles(paths.tpp(plan.name, 'former-issuer'));
  await writeCertificate(files, await qtsp.issue(qwacOf(plan, period)));
}

function named(name: string, country = 'GB') {
  const organization = SANDBOX_ORGANIZATION;
  return { name: `${authorityPrefix} ${name}`, organization, country, ...period };
}

function sandboxAuthority(
  name: string,
  file: string,
  { parent, country }: { readonly parent?: Authority; readonly country?: string } = {},
): Promise<Authority> {
  const publishes = {
    ocspUrl: `${revocationUrl}/ocsp`,
    crlUrl: `${revocationUrl}/${file}.crl`,
    certificateUrl: `${revocationUrl}/${file}.cer`,
  };
  return createAuthority({ ...named(name, country), publishes, ...(parent === undefined ? {} : { parent }) });
}

/** The keys of a CA in the revocation service: its own key for CRLs, a responder for OCSP. */
async function publish(name: string, authority: Authority): Promise<void> {
  const files = paths.authority(name);
  const commonName = `${authorityPrefix} OCSP responder ${name}`;
  const responder = await authority.issue({ profile: 'ocsp-responder', subject: { commonName }, ...period });
  await Promise.all([
    writeCertificate(files, authority),
    writeCertificate(files.responder, record(name, responder)),
  ]);
}

async function makeTpps(tpps: readonly TppPlan[], authority: string, issuer: Authority): Promise<void> {
  await Promise.all(
    tpps.map(async (plan) => {
      const files = describeTpp(folder, plan);
      const good = qwacOf(plan, period);
      const issue = async (to: TppCertificateFiles, profile: 'qwac' | 'qsealc') => {
        const certificate = record(authority, await issuer.issue({ ...good, profile }));
        const { certificatePem, privateKeyPem } = certificate;
        await writeCertificate(to, certificate);
        await write(to.pkcs12File, pkcs12(certificatePem, privateKeyPem, PKCS12_PASSPHRASE));
      };
      await Promise.all([
        issue(files, 'qwac'),
        issue(files.renewed, 'qwac'),
        issue(files.seal, 'qsealc'),
        writeSigningKey(files),
      ]);
    }),
  );
}

async function writeSigningKey(files: SandboxTpp): Promise<void> {
  const key = await keyOf('ec-p256');
  const jwk = await exportJWK(key);
  const signingKey = { ...jwk, alg: 'ES256', use: 'sig', kid: await calculateJwkThumbprint(jwk) };
  await write(files.signingKeyFile, `${JSON.stringify(signingKey, undefined, 2)}\n`);
  await write(files.signingKeyPemFile, key.export({ type: 'pkcs8', format: 'pem' }));
}

async function makeBroken(
  authorities: Readonly<Record<'issuer' | 'revoked' | 'unpublished' | 'impostor' | 'stranger', Authority>>,
): Promise<readonly BrokenCertificate[]> {
  const plan = plans.find(({ name }) => name === 'money-one');
  if (plan === undefined) throw new TypeError('there is no TPP to break');
  const broken = await makeBrokenCertificates({ ...authorities, period, plan });
  for (const { certificate, authority = '' } of broken) record(authority, certificate);
  await Promise.all(
    broken.map(({ name, certificate, sentPem }) =>
      writeCertificate(paths.broken(name), {
        ...certificate,
        certificatePem: certificate.certificatePem + sentPem,
      }),
    ),
  );
  const codes = Object.fromEntries(broken.map(({ name, expectedCode }) => [name, expectedCode]));
  await write(paths.brokenCodes, JSON.stringify(codes));
  return broken;
}

function record(authority: string, certificate: IssuedCertificate): IssuedCertificate {
  issued[authority]?.push(serialNumberOf(certificate));
  return certificate;
}

function revocationOf(authority: string, certificate: IssuedCertificate): Revocation {
  const serialNumber = serialNumberOf(certificate);
  return { authority, serialNumber, at: period.notBefore, reason: 'keyCompromise' };
}

function serialNumberOf({ certificatePem }: IssuedCertificate): string {
  return new X509Certificate(certificatePem).serialNumber.toLowerCase();
}

function registryText(): string {
  const since = period.notBefore.toISOString().slice(0, 10);
  return stringify({
    tpps: plans.map((plan) => ({
      authorizationNumber: organizationIdentifierOf(plan),
      legalName: plan.legalName,
      tradingName: plan.tradingName,
      nca: { ...plan.nca },
      country: plan.nca.id.slice(0, 2),
      roles: [...plan.roles],
      status: plan.status,
      statusSince: since,
      ...(plan.status === 'withdrawn' ? { statusReason: 'authorization withdrawn' } : {}),
    })),
  });
}

async function writeCertificate(files: CertificateFiles, certificate: IssuedCertificate): Promise<void> {
  await Promise.all([
    write(files.certificateFile, certificate.certificatePem),
    write(files.keyFile, certificate.privateKeyPem),
  ]);
}

/** Writes in place: the folder has no reader before this script has ended. */
async function write(file: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content, { mode: 0o600 });
}
