import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Certificate, parseCertificate, parsePem } from '../../x509/certificate/certificate.ts';
import { type CertificateFiles, pathsOf } from '../folder.ts';
import { bitString, oid, sequence } from '../pki/der-writer.ts';

/** An authority whose revocations the sandbox publishes, with its delegated OCSP responder. */
export interface PublishedAuthority {
  readonly name: string;
  readonly certificate: Certificate;
  readonly key: KeyObject;
  /** Issued by the authority. */
  readonly responder: { readonly certificate: Certificate; readonly key: KeyObject };
  /** Serial numbers of its certificates; an OCSP responder answers `unknown` for others. */
  readonly issued: readonly string[];
}

/** Reads the authorities that publish from the sandbox's folder. */
export async function loadAuthorities(folder: string): Promise<readonly PublishedAuthority[]> {
  return Promise.all(
    Object.entries(await readIssued(folder)).map(async ([name, issued]) => {
      const { responder, ...own } = pathsOf(folder).authority(name);
      const [pair, responderPair] = await Promise.all([loadPair(own), loadPair(responder)]);
      return { name, issued, ...pair, responder: responderPair };
    }),
  );
}

/** For each authority that publishes, the serial numbers of its certificates. */
export async function readIssued(folder: string): Promise<Readonly<Record<string, readonly string[]>>> {
  return JSON.parse(await readFile(pathsOf(folder).issued, 'utf8')) as Record<string, string[]>;
}

async function loadPair({ certificateFile, keyFile }: CertificateFiles) {
  const certificate = await loadCertificate(certificateFile);
  return { certificate, key: createPrivateKey(await readFile(keyFile, 'utf8')) };
}

/** The first certificate of a PEM file. */
export async function loadCertificate(file: string): Promise<Certificate> {
  const [der] = parsePem(await readFile(file, 'utf8'));
  return parseCertificate(der ?? Buffer.alloc(0));
}

/** ecdsa-with-SHA256: every key of the sandbox's authorities is on P-256. */
export const SIGNATURE_ALGORITHM = sequence(oid('1.2.840.10045.4.3.2'));

/** A signature over `data`, as a BIT STRING. */
export function signatureOf(data: Buffer, key: KeyObject): Buffer {
  return bitString(sign('sha256', data, key));
}
