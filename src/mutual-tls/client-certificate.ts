import { createHash, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** The certificate whose key the peer has proved to hold on this connection. */
export interface PresentedCertificate {
  /** Exactly the bytes that the peer sent. */
  readonly der: Buffer;
  /** `x5t#S256` (RFC 8705 §3.1): SHA-256 of `der`, base64url, 43 characters. */
  readonly thumbprint: string;
  readonly certificate: X509Certificate;
}

/** A real path has one to three; more are not worth the work. */
const MAX_INTERMEDIATES = 8;

const presented = new WeakMap<Socket, PresentedCertificate | undefined>();

/**
 * The certificate that the peer presented, or undefined on a connection without one or without TLS.
 *
 * Remembered by socket: our listeners refuse renegotiation, so it cannot change. Proves possession of the key
 * only; whether the certificate is worth anything is decided in tpp/.
 */
export function presentedCertificate(socket: Socket): PresentedCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  if (presented.has(socket)) return presented.get(socket);
  const certificate = socket.getPeerX509Certificate();
  const value =
    certificate === undefined
      ? undefined
      : Object.freeze({
          der: certificate.raw,
          thumbprint: createHash('sha256').update(certificate.raw).digest('base64url'),
          certificate,
        });
  presented.set(socket, value);
  return value;
}

/**
 * The other certificates of the handshake, as hints for path building: untrusted, and in some Node releases or
 * on resumed sessions not there at all, so nothing may depend on them.
 */
export function handshakeIntermediates(socket: Socket): Buffer[] {
  const found: Buffer[] = [];
  if (!(socket instanceof TLSSocket)) return found;
  let at = socket.getPeerX509Certificate()?.issuerCertificate;
  while (at !== undefined && found.length < MAX_INTERMEDIATES) {
    if (found.some((one) => one.equals(at?.raw ?? one))) break;
    found.push(at.raw);
    at = at.issuerCertificate;
  }
  return found;
}
