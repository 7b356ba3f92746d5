import { X509Certificate } from 'node:crypto';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import { decodeBase64, type PemBlock, readPemBlocks } from '../der/pem.ts';

/** RFC 7468 §5 and its predecessor. */
const LABELS = ['CERTIFICATE', 'X509 CERTIFICATE'];

/** The certificates of a PEM file that operators keep, and those that cannot be read. */
export interface CertificateFile<T> {
  readonly certificates: readonly T[];
  /** One sentence for each block that is no readable certificate, with its position and, where known, its subject. */
  readonly faults: readonly string[];
}

/**
 * Reads a file of CAs. One unreadable certificate leaves the others usable.
 *
 * @throws ERR_CERT_MALFORMED when the file has no block, or a block without an end
 */
export function readCertificateFile<T extends object>(
  text: string,
  parse: (der: Uint8Array) => T,
): CertificateFile<T> {
  const blocks = readPemBlocks(text);
  if (blocks.length === 0) {
    const problem = 'PEM: there is no CERTIFICATE block; `openssl x509 -inform der` converts a DER file';
    throw new OpenBankingError('ERR_CERT_MALFORMED', { problem });
  }
  const certificates: T[] = [];
  const faults: string[] = [];
  for (const [at, block] of blocks.entries()) {
    const read = readBlock(block, at, parse);
    if (typeof read === 'string') faults.push(`certificate ${at + 1}${subjectOf(block)}: ${read}`);
    else certificates.push(read);
  }
  return { certificates, faults };
}

function readBlock<T>({ label, base64 }: PemBlock, at: number, parse: (der: Uint8Array) => T): T | string {
  if (!LABELS.includes(label)) return `the block is a ${label.slice(0, 40)}, not a CERTIFICATE`;
  try {
    return parse(decodeBase64(base64, at));
  } catch (error) {
    if (isRefusal(error, 'ERR_CERT_MALFORMED')) return error.details.problem;
    throw error;
  }
}

/** As OpenSSL reads it, which is less strict. */
function subjectOf({ base64 }: PemBlock): string {
  try {
    const { subject } = new X509Certificate(Buffer.from(base64, 'base64'));
    return subject === undefined ? '' : `, ${subject.replaceAll('\n', ', ').slice(0, 200)}`;
  } catch {
    return '';
  }
}
