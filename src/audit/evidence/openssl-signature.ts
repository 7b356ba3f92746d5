const SEQUENCE = 0x30;
const INTEGER = 0x02;
const SIGN_BIT = 0x80;

/** A signature of ES256, two numbers of 32 bytes in base64url, in the form that openssl reads (RFC 3279 §2.2.3). */
export function opensslSignature(signature: string): Buffer {
  const bytes = Buffer.from(signature, 'base64url');
  const half = bytes.length / 2;
  const numbers = Buffer.concat([integer(bytes.subarray(0, half)), integer(bytes.subarray(half))]);
  return Buffer.concat([Buffer.from([SEQUENCE, numbers.length]), numbers]);
}

function integer(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const shortest = first === -1 ? bytes.subarray(-1) : bytes.subarray(first);
  const isNegative = ((shortest[0] ?? 0) & SIGN_BIT) !== 0;
  const content = isNegative ? Buffer.concat([Buffer.alloc(1), shortest]) : shortest;
  return Buffer.concat([Buffer.from([INTEGER, content.length]), content]);
}
