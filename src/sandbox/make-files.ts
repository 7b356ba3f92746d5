import { join } from 'node:path';
import { stringify } from 'yaml';
import { type CertificateFiles, describeTpp, pathsOf, writeWhole } from './folder.ts';
import { type Authority, createAuthority, type IssuedCertificate } from './pki.ts';
import {
  makeBrokenCertificates,
  makeTppMaterial,
  NCA,
  organizationIdentifierOf,
  type Period,
  TPP_PLANS,
} from './tpps.ts';

// A script: makes the PKI, the TPPs' certificates and the registry of a new sandbox in the folder that it is told.
const [, , folder = '', notBefore = '', notAfter = ''] = process.argv;
const period: Period = { notBefore: new Date(notBefore), notAfter: new Date(notAfter) };
await makeFiles();

async function makeFiles(): Promise<void> {
  const paths = pathsOf(folder);
  const root = await createAuthority({
    name: 'Tallystick Sandbox Root CA',
    organization: 'Tallystick Sandbox',
    country: 'GB',
    ...period,
  });
  const issuing = {
    name: 'Tallystick Sandbox Issuing CA',
    organization: 'Tallystick Sandbox',
    country: 'GB',
    ...period,
  };
  const [issuer, impostor, server] = await Promise.all([
    createAuthority({ ...issuing, parent: root }),
    createAuthority({ ...issuing }),
    root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...period }),
  ]);
  await Promise.all([
    writeWhole(paths.root, root.certificatePem),
    writeWhole(paths.issuingCa, issuer.certificatePem),
    writeCertificate(paths.server, server),
    writeWhole(paths.registry, registryText()),
    makeTpps(issuer),
    makeBroken(issuer, impostor),
  ]);
}

async function makeTpps(issuer: Authority): Promise<void> {
  await Promise.all(
    TPP_PLANS.map(async (plan) => {
      const material = await makeTppMaterial(issuer, plan, period);
      const tpp = describeTpp(folder, plan, []);
      await Promise.all([
        writeCertificate(tpp, material.qwac),
        writeCertificate(tpp.renewed, material.renewed),
        writeCertificate(tpp.seal, material.qsealc),
        writeWhole(tpp.signingKeyFile, `${JSON.stringify(material.signingKey, undefined, 2)}\n`),
      ]);
    }),
  );
}

async function makeBroken(issuer: Authority, impostor: Authority): Promise<void> {
  const plan = TPP_PLANS.find(({ name }) => name === 'money-one');
  if (plan === undefined) throw new TypeError('there is no TPP to break');
  const broken = await makeBrokenCertificates({ issuer, impostor, period, plan });
  const paths = pathsOf(folder);
  await Promise.all(
    broken.map(({ name, certificate }) =>
      writeCertificate(
        { certificateFile: paths.broken(name, 'qwac.pem'), keyFile: paths.broken(name, 'qwac.key') },
        certificate,
      ),
    ),
  );
  const codes = Object.fromEntries(broken.map(({ name, expectedCode }) => [name, expectedCode]));
  await writeWhole(join(folder, 'broken', 'codes.json'), JSON.stringify(codes));
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
