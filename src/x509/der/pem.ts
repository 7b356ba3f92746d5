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

/** A block of a PEM file, with any label. */
export interface PemBlock {
  readonly label: string;
  /** The lines between the two labels, without their breaks. */
  readonly base64: string;
}

/**
 * The blocks of a file that operators keep. Text around the blocks is skipped, as `openssl x509 -text` writes it
 * (RFC 7468 §2), and two blocks may share a line, as `cat` leaves them.
 *
 * @throws ERR_CERT_MALFORMED when a block has no end, so that half a file never passes for a whole one
 */
export function readPemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  let open: { readonly label: string; base64: string } | undefined;
  for (const line of text.replaceAll(/-----BEGIN /g, '\n-----BEGIN ').split(/\r?\n/)) {
    const [, edge, label = ''] = /^\s*-----(BEGIN|END) ([^-]+)-----\s*$/.exec(line) ?? [];
    if (edge === 'BEGIN' && open === undefined) open = { label, base64: '' };
    else if (edge === 'END' && open?.label === label) {
      blocks.push(open);
      open = undefined;
    } else if (edge !== undefined) throw torn(blocks.length);
    else if (open !== undefined) open.base64 += line.trim();
  }
  if (open !== undefined) throw torn(blocks.length);
  return blocks;
}

function torn(index: number): OpenBankingError {
  return new OpenBankingError('ERR_CERT_MALFORMED', { problem: `PEM: block ${index + 1} is not whole` });
}

/** Node skips characters that are not base64 and ignores spare bits: only its own output is accepted. */
export function decodeBase64(text: string, index: number): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw malformed(index);
  return bytes;
}

function malformed(index: number): OpenBankingError {
  const problem = `PEM: block ${index + 1} is not a CERTIFICATE block of base64 lines`;
  return new OpenBankingError('ERR_CERT_MALFORMED', { problem });
}
