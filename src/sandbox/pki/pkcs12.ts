import { createHmac, createPrivateKey, hash, randomBytes, X509Certificate } from 'node:crypto';
import { context, element, integer, octetString, oid, sequence } from './der-writer.ts';
import { TAG } from '../../x509/der/der.ts';

const DATA = oid('1.2.840.113549.1.7.1');
const SHROUDED_KEY_BAG = oid('1.2.840.113549.1.12.10.1.2');
const CERTIFICATE_BAG = oid('1.2.840.113549.1.12.10.1.3');
const X509_CERTIFICATE = oid('1.2.840.113549.1.9.22.1');
const LOCAL_KEY_ID = oid('1.2.840.113549.1.9.21');
const SHA256 = oid('2.16.840.1.101.3.4.2.1');
const NULL = Buffer.from([TAG.null, 0]);
const MAC_ROUNDS = 2048;
const BLOCK = 64;

/** A certificate and its key as browsers and Java take them: one PKCS #12 file (RFC 7292), under a passphrase. */
export function pkcs12(certificatePem: string, privateKeyPem: string, passphrase: string): Buffer {
  const certificate = new X509Certificate(certificatePem).raw;
  const shrouded = createPrivateKey(privateKeyPem).export({
    type: 'pkcs8',
    format: 'der',
    cipher: 'aes-256-cbc',
    passphrase,
  });
  const id = set(
    sequence(LOCAL_KEY_ID, set(octetString(Buffer.from(hash('sha256', certificate, 'buffer'))))),
  );
  const certificateBag = sequence(X509_CERTIFICATE, context(0, octetString(certificate)));
  const bags = sequence(
    sequence(CERTIFICATE_BAG, context(0, certificateBag), id),
    sequence(SHROUDED_KEY_BAG, context(0, shrouded), id),
  );
  const safe = sequence(sequence(DATA, context(0, octetString(bags))));
  const salt = randomBytes(16);
  const mac = createHmac('sha256', macKey(passphrase, salt)).update(safe).digest();
  const digest = sequence(sequence(SHA256, NULL), octetString(mac));
  return sequence(
    integer(3n),
    sequence(DATA, context(0, octetString(safe))),
    sequence(digest, octetString(salt), integer(BigInt(MAC_ROUNDS))),
  );
}

/** The key of the MAC: RFC 7292 appendix B.2 with SHA-256, for 32 octets, which one round of its loop gives. */
function macKey(passphrase: string, salt: Buffer): Buffer {
  const text = Buffer.from(`${passphrase}\0`, 'utf16le').swap16();
  const repeated = (octets: Buffer) => Buffer.alloc(Math.ceil(octets.length / BLOCK) * BLOCK, octets);
  let key = Buffer.concat([Buffer.alloc(BLOCK, 3), repeated(salt), repeated(text)]);
  for (let round = 0; round < MAC_ROUNDS; round += 1) key = hash('sha256', key, 'buffer');
  return key;
}

function set(...parts: readonly Uint8Array[]): Buffer {
  return element(TAG.set, ...parts);
}
