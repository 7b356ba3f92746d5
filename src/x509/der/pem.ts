import { OpenBankingError } from '../../errors.ts';

/** One block: label, lines of any length (RFC 7468 §2 lets parsers take more than 64 characters), label again. */
const BLOCK =
  /^-----BEGIN CERTIFICATE-----\r?\n((?:[A-Za-z0-9+/=]+\r?\n)+)-----END CERTIFICATE-----(?:\r?\n|$)/;

/**
 * The DER of every CERTIFICATE block of a text that holds nothing else but blank lines between them: no other label,
 * no explanatory text, no headers, no two blocks on one line. At least one block; the caller checks for exactly one.
 *
 * @throws ERR_CERT_MALFORMED
 * @see RFC 7468 §3, §5
 */
export function parsePem(text: string): Buffer[] {
  const certificates: Buffer[] = [];
  let rest = text.trimStart();
  while (rest !== '') {
    const [block, lines = ''] = BLOCK.exec(rest) ?? [];
    if (block === undefined) throw malformed(certificates.length);
    certificates.push(decodeBase64(lines.replaceAll(/\r?\n/g, ''), certificates.length));
    rest = rest.slice(block.length).trimStart();
  }
  if (certificates.length === 0) throw malformed(0);
  return certificates;
}

/** Node skips characters that are not base64 and ignores spare bits: only its own output is accepted. */
function decodeBase64(text: string, index: number): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw malformed(index);
  return bytes;
}

function malformed(index: number): OpenBankingError {
  const problem = `PEM: block ${index + 1} is not a CERTIFICATE block of base64 lines`;
  return new OpenBankingError('ERR_CERT_MALFORMED', { problem });
}
