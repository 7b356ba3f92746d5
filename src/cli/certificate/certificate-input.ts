import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { invalidConfig, type OpenBankingError } from '../../errors.ts';

/** A certificate of a file, not yet parsed: its DER, or the problem of its PEM block. */
export type InputCertificate = { readonly der: Buffer } | { readonly problem: string };

const BLOCK =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([\s\S]*?)-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
/** More than a path of eight RSA-8192 certificates with all its text. */
const MAX_BYTES = 1_000_000;

/**
 * The certificates of a file, or of standard input for `-`: DER, PEM with or without text around it, PEM as proxies
 * put it into headers and logs (URL-encoded), or base64 alone.
 *
 * @throws ERR_CONFIG_INVALID when there is none
 */
export async function readCertificates(file: string): Promise<readonly InputCertificate[]> {
  const bytes = await bytesOf(file);
  if (bytes.length > MAX_BYTES) throw unusable(file, `is larger than ${MAX_BYTES} bytes`);
  if (bytes[0] === 0x30) return [{ der: bytes }];
  const text = bytes.toString('latin1');
  const plain = /BEGIN(?:%20|\+)CERTIFICATE/i.test(text) ? unescaped(text) : text;
  const blocks = [...plain.matchAll(BLOCK)].map(([, body = '']) => decodeBlock(body));
  if (blocks.length > 0) return blocks;
  const bare = plain.replaceAll(/^\s*:|:\s*$|\s/g, '');
  const isBase64 = /^MI[A-Za-z0-9+/]+={0,2}$/.test(bare);
  if (isBase64) return [{ der: Buffer.from(bare, 'base64') }];
  throw unusable(file, 'holds no certificate, neither PEM nor DER');
}

async function bytesOf(file: string): Promise<Buffer> {
  if (file === '-') return buffer(process.stdin);
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw unusable(file, `cannot be read: ${error.code}`);
  });
}

function decodeBlock(body: string): InputCertificate {
  const base64 = body.replaceAll(/\s/g, '');
  const der = Buffer.from(base64, 'base64');
  const isExact = der.length > 0 && der.toString('base64') === base64;
  return isExact ? { der } : { problem: 'the PEM block does not hold base64 to the letter' };
}

/** A tab or a plus in place of a space, as nginx and others write it. */
function unescaped(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/gi, (_escape, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function unusable(file: string, problem: string): OpenBankingError<'ERR_CONFIG_INVALID'> {
  return invalidConfig(file === '-' ? 'standard input' : file, [{ path: '', message: problem }]);
}
