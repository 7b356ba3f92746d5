import { OpenBankingError } from '../../errors.ts';
import { DerError } from './der.ts';

/** Reads a message of at most `maxBytes` by `read`. @throws `code` in place of a DerError */
export function readMessage<T>(
  bytes: Uint8Array,
  {
    maxBytes,
    code,
  }: { readonly maxBytes: number; readonly code: `ERR_${'CERT' | 'CRL' | 'OCSP'}_MALFORMED` },
  read: () => T,
): T {
  try {
    if (bytes.length > maxBytes) throw new DerError(`longer than ${maxBytes} bytes`);
    return read();
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause;
    throw new OpenBankingError(code, { problem: findOtherFormat(bytes) ?? cause.message }, { cause });
  }
}

const OTHER_FORMATS: readonly (readonly [beginning: RegExp, name: string])[] = [
  [/^\s*-----BEGIN /, 'PEM'],
  [/^\s*<\?xml/i, 'XML'],
  [/^\s*</, 'HTML'],
  [/^\s*[[{]/, 'JSON'],
  [/^MI[I-M]/, 'base64'],
];

/** A message of another format than DER, in words: a captive portal answers with a page, a directory with PEM. */
function findOtherFormat(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return 'it is empty';
  const text = Buffer.from(bytes.subarray(0, 64))
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '');
  const name = OTHER_FORMATS.find(([beginning]) => beginning.test(text))?.[1];
  return name && `it is ${name}, not DER`;
}
