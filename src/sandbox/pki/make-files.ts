import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type BrokenCertificate, makeBrokenCertificates } from './broken-certificates.ts';
import { type CertificateFiles, describeTpp, pathsOf } from '../folder.ts';
import { type Authority, createAuthority, type IssuedCertificate } from './pki.ts';
import { pointersTo } from './pointers.ts';
import { type Revocation, writeRevocations } from '../revocation/revocations.ts';
import { SANDBOX_ORGANIZATION } from '../../tpp/trust-files.ts';
import { makeTppMaterial, NCA, organizationIdentifierOf, type Period, TPP_PLANS } from './tpps.ts';
import { writeWhole } from '../write-whole.ts';

// A script: makes the PKI, the TPPs' certificates and the registry of a new sandbox in the folder of its first argument.
const [, , folder = '', revocationUrl = '', notBefore = '', notAfter = ''] = process.argv;
const period: Period = { notBefore: new Date(notBefore), notAfter: new Date(notAfter) };
const paths = pathsOf(folder);
/** The serial numbers issued by each CA that publishes. */
const issued: Record<string, string[]> = { root: [], 'issuing-ca': [], 'revoked-ca': [] };
await makeFiles();

async function makeFiles(): Promise<void> {
  const root = await sandboxAuthority('Root CA', 'root');
  const [issuer, revoked, unpublished, impostor, server] = await Promise.all([
    sandboxAuthority('Issuing CA', 'issuing-ca', root),
    sandboxAuthority('Revoked Issuing CA', 'revoked-ca', root),
    sandboxAuthority('Unpublished Issuing CA', 'unpublished-ca', root),
    createAuthority(named('Issuing CA')),
    root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...period }),
  ]);
  const [, broken] = await Promise.all([
    makeTpps(issuer),
    makeBroken({ issuer, revoked, unpublished, impostor }),
    publish('root', root),
    publish('issuing-ca', issuer),
    publish('revoked-ca', revoked),
    writeWhole(paths.intermediates, issuer.certificatePem + revoked.certificatePem),
    writeCertificate(paths.server, record('root', server)),
    writeWhole(paths.registry, registryText()),
  ]);
  for (const authority of [issuer, revoked, unpublished]) record('root', authority);
  await writeWhole(paths.issued, JSON.stringify(issued));
  await writeRevocations(paths.revocations, [
    revocationOf('root', revoked),
    ...broken.filter(({ isRevoked }) => isRevoked).map((one) => revocationOf('issuing-ca', one.certificate)),
  ]);
}

function named(name: string) {
  const organization = SANDBOX_ORGANIZATION;
  return { name: `${organization} ${name}`, organization, country: 'GB', ...period };
}

function sandboxAuthority(name: string, file: string, parent?: Authority): Promise<Authority> {
  const publishes = pointersTo(revocationUrl, file);
  return createAuthority({ ...named(name), publishes, ...(parent === undefined ? {} : { parent }) });
}

/** What the revocation service needs of an authority: its own key for CRLs, a responder for OCSP. */
async function publish(name: string, authority: Authority): Promise<void> {
  const files = paths.authority(name);
  const commonName = `Tallystick Sandbox OCSP responder ${name}`;
  const responder = await authority.issue({ profile: 'ocsp-responder', subject: { commonName }, ...period });
  await Promise.all([
    writeCertificate(files, authority),
    writeCertificate(files.responder, record(name, responder)),
  ]);
}

async function makeTpps(issuer: Authority): Promise<void> {
  await Promise.all(
    TPP_PLANS.map(async (plan) => {
      const material = await makeTppMaterial(issuer, plan, period);
      const tpp = describeTpp(folder, plan, []);
      const { qwac, renewed, qsealc } = material;
      for (const one of [qwac, renewed, qsealc]) record('issuing-ca', one);
      await Promise.all([
        writeCertificate(tpp, qwac),
        writeCertificate(tpp.renewed, renewed),
        writeCertificate(tpp.seal, qsealc),
        writeWhole(tpp.signingKeyFile, `${JSON.stringify(material.signingKey, undefined, 2)}\n`),
      ]);
    }),
  );
}

async function makeBroken(
  authorities: Readonly<Record<'issuer' | 'revoked' | 'unpublished' | 'impostor', Authority>>,
): Promise<readonly BrokenCertificate[]> {
  const plan = TPP_PLANS.find(({ name }) => name === 'money-one');
  if (plan === undefined) throw new TypeError('there is no TPP to break');
  const broken = await makeBrokenCertificates({ ...authorities, period, plan });
  for (const { certificate, authority = '' } of broken) record(authority, certificate);
  await Promise.all(
    broken.map(({ name, certificate, sentPem }) =>
      writeCertificate(
        { certificateFile: paths.broken(name, 'qwac.pem'), keyFile: paths.broken(name, 'qwac.key') },
        { ...certificate, certificatePem: certificate.certificatePem + sentPem },
      ),
    ),
  );
  const codes = Object.fromEntries(broken.map(({ name, expectedCode }) => [name, expectedCode]));
  await writeWhole(join(folder, 'broken', 'codes.json'), JSON.stringify(codes));
  return broken;
}

function record(authority: string, certificate: IssuedCertificate): IssuedCertificate {
  issued[authority]?.push(serialNumberOf(certificate));
  return certificate;
}

function revocationOf(authority: string, certificate: IssuedCertificate): Revocation {
  const at = new Date(period.notBefore.getTime());
  return { authority, serialNumber: serialNumberOf(certificate), at, reason: 'keyCompromise' };
}

function serialNumberOf({ certificatePem }: IssuedCertificate): string {
  return new X509Certificate(certificatePem).serialNumber.toLowerCase();
}

function registryText(): string {
  const since = period.notBefore.toISOString().slice(0, 10);
  return stringify({
    tpps: TPP_PLANS.map((plan) => ({
      authorizationNumber: organizationIdentifierOf(plan),
      legalName: plan.legalName,
      tradingName: plan.tradingName,
      nca: { ...NCA },
      country: 'GB',
      roles: [...plan.roles],
      status: plan.status,
      statusSince: since,
      ...(plan.status === 'withdrawn' ? { statusReason: 'authorization withdrawn' } : {}),
    })),
  });
}

async function writeCertificate(files: CertificateFiles, certificate: IssuedCertificate): Promise<void> {
  await Promise.all([
    writeWhole(files.certificateFile, certificate.certificatePem),
    writeWhole(files.keyFile, certificate.privateKeyPem),
  ]);
}
