import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { assertNothingForwarded } from './forwarded-fields.ts';
import { type ClientCertificate, type PresentedCertificate, presented } from './presented-certificate.ts';

/** A real path has one to three; more are not worth the work. */
const MAX_INTERMEDIATES = 8;

const certificates = new WeakMap<Socket, PresentedCertificate | undefined>();
const intermediates = new WeakMap<Socket, readonly Buffer[]>();

/**
 * The certificate of the connection that a request came on.
 *
 * @throws ERR_PROXY_UNTRUSTED when the request also carries a certificate in a header
 */
export function readSocketCertificate(request: IncomingMessage): ClientCertificate {
  assertNothingForwarded(request);
  return new SocketCertificate(request);
}

/** A class: an object literal with a getter is slow to make, and one is made for every request. */
class SocketCertificate implements ClientCertificate {
  readonly certificate: ClientCertificate['certificate'];
  readonly #socket: Socket;

  constructor({ socket }: IncomingMessage) {
    this.certificate = findSocketCertificate(socket);
    this.#socket = socket;
  }

  /** Walked only where a path is built. */
  get intermediates(): readonly Buffer[] {
    return handshakeIntermediates(this.#socket);
  }
}

/**
 * The certificate that the peer of a connection presented, or undefined without one or without TLS.
 *
 * Cached by socket: our listeners refuse renegotiation, so the certificate cannot change. Proves possession of the key
 * only; tpp/ decides about the certificate itself.
 */
export function findSocketCertificate(socket: Socket): PresentedCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const known = certificates.get(socket);
  if (known !== undefined || certificates.has(socket)) return known;
  const certificate = socket.getPeerX509Certificate();
  const value = certificate === undefined ? undefined : presented(certificate);
  certificates.set(socket, value);
  return value;
}

/**
 * The other certificates of the handshake, as hints for path building: untrusted, and in some Node releases or
 * on resumed sessions not there at all, so nothing may depend on them. Remembered like the certificate.
 */
export function handshakeIntermediates(socket: Socket): readonly Buffer[] {
  const known = intermediates.get(socket);
  if (known !== undefined) return known;
  const found = socket instanceof TLSSocket ? walked(socket) : [];
  intermediates.set(socket, found);
  return found;
}

function walked(socket: TLSSocket): readonly Buffer[] {
  const found: Buffer[] = [];
  let at = socket.getPeerX509Certificate()?.issuerCertificate;
  while (at !== undefined && found.length < MAX_INTERMEDIATES) {
    if (found.some((one) => one.equals(at?.raw ?? one))) break;
    found.push(at.raw);
    at = at.issuerCertificate;
  }
  return found;
}
