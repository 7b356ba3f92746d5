import { readFileSync } from 'node:fs';
import { invalidConfig } from '../../../../errors.ts';

/** An image that the pages show, from their own origin. */
export interface Logo {
  readonly type: 'image/png' | 'image/svg+xml';
  readonly bytes: Buffer;
}

const MAX_BYTES = 256 * 1024;
const PNG = Buffer.from('89504e470d0a1a0a', 'hex');

/** The logo of a bank. @throws ERR_CONFIG_INVALID for a file that is too long, or neither PNG nor SVG */
export function readLogo(file: string): Logo {
  const bytes = readBounded(file);
  if (bytes.subarray(0, PNG.length).equals(PNG)) return { type: 'image/png', bytes };
  const start = bytes.subarray(0, 1024).toString('utf8').trimStart();
  if (/^(<\?xml\b|<!--|<svg\b)/.test(start) && bytes.includes('<svg'))
    return { type: 'image/svg+xml', bytes };
  throw invalidConfig(file, [{ path: '', message: 'must be a PNG or an SVG image' }]);
}

function readBounded(file: string): Buffer {
  try {
    const bytes = readFileSync(file);
    if (bytes.length <= MAX_BYTES) return bytes;
  } catch (cause) {
    throw invalidConfig(file, [{ path: '', message: 'cannot be read' }], cause);
  }
  throw invalidConfig(file, [{ path: '', message: `must not be longer than ${MAX_BYTES} bytes` }]);
}
