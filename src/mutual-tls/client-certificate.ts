import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientCertificate } from './presented-certificate.ts';
import { type ProxyHeaderOptions, proxyHeaderReader } from './proxy-headers.ts';
import { readSocketCertificate } from './socket-certificate.ts';
import { TrustedProxies } from './trusted-proxies.ts';

export type { ClientCertificate, PresentedCertificate } from './presented-certificate.ts';

/** The origin of client certificates: the TLS connection, or a header of our own proxies. Never both. */
export type ClientCertificateOptions =
  | { readonly from: 'socket' }
  | ({ readonly from: 'proxy' } & ProxyHeaderOptions);

/** The only reader of the certificate of a request. */
export interface ClientCertificateSource {
  /** Whether the listener has to ask its peers for a certificate: the clients', or the proxies' own. */
  readonly isTlsCertificateNeeded: boolean;
  /** The address of the caller, for the log; undefined for a request of our own proxies, which hides it. */
  findAddress(request: IncomingMessage): string | undefined;
  /** @throws ERR_PROXY_UNTRUSTED, ERR_PROXY_HEADER */
  read(request: IncomingMessage): ClientCertificate;
}

/**
 * Creates the source of the options. With `socket`, a request that carries a certificate in a header is refused:
 * the request passed an unknown proxy, or a stranger forges a certificate (RFC 9440 §4).
 *
 * @throws TypeError for options that cannot work
 */
export function createClientCertificateSource(options: ClientCertificateOptions): ClientCertificateSource {
  if (options?.from === 'proxy') {
    const isTlsCertificateNeeded = options.proxyCertificates !== undefined;
    const proxies = new TrustedProxies(options.trustedProxies, options.proxyCertificates);
    return Object.freeze({
      isTlsCertificateNeeded,
      findAddress: (request: IncomingMessage) =>
        proxies.isTrusted(request.socket) ? undefined : peerAddress(request.socket),
      read: proxyHeaderReader(options, proxies),
    });
  }
  if (options?.from !== 'socket') throw new TypeError("clientCertificate.from must be 'socket' or 'proxy'");
  return Object.freeze({
    isTlsCertificateNeeded: true,
    findAddress: (request: IncomingMessage) => peerAddress(request.socket),
    read: readSocketCertificate,
  });
}

/** The peer of a connection, for the log; a connection that is closed has none. */
export function peerAddress({ remoteAddress = 'unknown' }: Socket): string {
  return remoteAddress;
}
