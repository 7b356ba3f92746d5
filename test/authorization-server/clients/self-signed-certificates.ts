import { createPrivateKey, createPublicKey, randomBytes, X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JWK } from 'jose';
import type { CertificateFiles } from '../../../src/sandbox/folder.ts';
import { certify, nameOf } from '../../../src/sandbox/pki/certify.ts';
import { keyOf } from '../../../src/sandbox/pki/keys.ts';

/** A certificate that a TPP has made itself, as files and as a key of a registration. */
export interface OwnCertificate extends CertificateFiles {
  readonly der: Buffer;
  readonly thumbprint: string;
  readonly jwk: JWK & { readonly kty: string; readonly kid: string };
}

const DAY = 86_400_000;

/** By default of today, for a year, with names that claim to be another TPP's. */
export async function selfSigned(
  folder: string,
  { from = -DAY, to = 365 * DAY, use = 'tls' }: { from?: number; to?: number; use?: string | undefined } = {},
): Promise<OwnCertificate> {
  const now = Date.now();
  const issued = await certify({
    key: await keyOf('ec-p256'),
    issuer: undefined,
    subject: nameOf([
      ['O', 'Another TPP'],
      ['2.5.4.97', 'PSDGB-FCA-999999'],
      ['CN', 'api.another.tpp.example'],
    ]),
    validity: { notBefore: new Date(now + from), notAfter: new Date(now + to) },
    extensions: [],
  });
  const kid = randomBytes(6).toString('hex');
  const [certificateFile, keyFile] = ['pem', 'key'].map((end) => join(folder, `${kid}.${end}`)) as [
    string,
    string,
  ];
  await Promise.all([
    writeFile(certificateFile, issued.certificatePem),
    writeFile(keyFile, issued.privateKeyPem),
  ]);
  const der = Buffer.from(issued.der);
  const { crv, x, y, n, e } = createPublicKey(createPrivateKey(issued.privateKeyPem)).export({
    format: 'jwk',
  });
  const jwk = {
    kty: n === undefined ? 'EC' : 'RSA',
    crv,
    x,
    y,
    n,
    e,
    kid,
    use,
    x5c: [der.toString('base64')],
  };
  return {
    certificateFile,
    keyFile,
    der,
    thumbprint: thumbprintOf(der),
    jwk: JSON.parse(JSON.stringify(jwk)) as OwnCertificate['jwk'],
  };
}

function thumbprintOf(der: Buffer): string {
  return Buffer.from(new X509Certificate(der).fingerprint256.replaceAll(':', ''), 'hex').toString(
    'base64url',
  );
}
