import { createHash } from 'node:crypto';

/** `x5t#S256` of a certificate (RFC 8705 §3.1). */
export const thumbprintOf = (der: Uint8Array): string => createHash('sha256').update(der).digest('base64url');
