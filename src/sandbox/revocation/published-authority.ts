import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Certificate, parseCertificate, parsePem } from '../../x509/certificate/certificate.ts';
import { contextTag, DerReader, TAG } from '../../x509/der/der.ts';
import { bitString, oid, sequence } from '../pki/der-writer.ts';

/** An authority whose revocations the sandbox publishes, with its delegated OCSP responder. */
export interface PublishedAuthority {
  readonly name: string;
  readonly certificate: Certificate;
  /** DER of its subject, as CertIDs hash it and CRLs name it. */
  readonly subjectDer: Buffer;
  readonly key: KeyObject;
  readonly responder: { readonly certificate: Certificate; readonly key: KeyObject };
  /** Serial numbers of its certificates; an OCSP responder answers `unknown` for others. */
  readonly issued: ReadonlySet<string>;
}

export interface AuthorityFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly responder: { readonly certificateFile: string; readonly keyFile: string };
}

/** Reads an authority from the sandbox's folder. */
export async function loadAuthority(
  name: string,
  files: AuthorityFiles,
  issued: readonly string[],
): Promise<PublishedAuthority> {
  const [certificate, key, responder, responderKey] = await Promise.all([
    loadCertificate(files.certificateFile),
    readFile(files.keyFile, 'utf8'),
    loadCertificate(files.responder.certificateFile),
    readFile(files.responder.keyFile, 'utf8'),
  ]);
  return {
    name,
    certificate,
    subjectDer: subjectDerOf(certificate),
    key: createPrivateKey(key),
    responder: { certificate: responder, key: createPrivateKey(responderKey) },
    issued: new Set(issued),
  };
}

/** The first certificate of a PEM file. */
export async function loadCertificate(file: string): Promise<Certificate> {
  const [der] = parsePem(await readFile(file, 'utf8'));
  return parseCertificate(der ?? Buffer.alloc(0));
}

/** TBSCertificate ::= SEQUENCE { [0] version, serialNumber, signature, issuer, validity, subject, … } */
function subjectDerOf({ tbs }: Certificate): Buffer {
  const fields = new DerReader(new DerReader(tbs).content(TAG.sequence));
  fields.optional(contextTag(0, 'constructed'));
  for (let before = 0; before < 4; before += 1) fields.any();
  return fields.element(TAG.sequence).raw;
}

/** Whether a CertID means this authority (RFC 6960 §4.1.1). */
export function isNamedBy(
  authority: PublishedAuthority,
  id: { readonly hash: string; readonly nameHash: Buffer; readonly keyHash: Buffer },
): boolean {
  const digest = (bytes: Buffer) => createHash(id.hash).update(bytes).digest();
  return (
    digest(authority.subjectDer).equals(id.nameHash) &&
    digest(authority.certificate.publicKeyOctets).equals(id.keyHash)
  );
}

/** ecdsa-with-SHA256: every key of the sandbox's authorities is on P-256. */
export const SIGNATURE_ALGORITHM = sequence(oid('1.2.840.10045.4.3.2'));

/** A signature over `data`, as a BIT STRING. */
export function signatureOf(data: Buffer, key: KeyObject): Buffer {
  return bitString(sign('sha256', data, key));
}
