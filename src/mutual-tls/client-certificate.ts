import type { IncomingMessage } from 'node:http';
import type { ClientCertificate } from './presented-certificate.ts';
import { type ProxyHeaderOptions, proxyHeaderReader } from './proxy-headers.ts';
import { readSocketCertificate } from './socket-certificate.ts';

export type { ClientCertificate, PresentedCertificate } from './presented-certificate.ts';

/** The origin of client certificates: the TLS connection, or a header of our own proxies. Never both. */
export type ClientCertificateOptions =
  | { readonly from: 'socket' }
  | ({ readonly from: 'proxy' } & ProxyHeaderOptions);

/** The only reader of the certificate of a request. */
export interface ClientCertificateSource {
  /** Whether the listener has to ask its peers for a certificate: the clients', or the proxies' own. */
  readonly isTlsCertificateNeeded: boolean;
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
    return Object.freeze({ isTlsCertificateNeeded, read: proxyHeaderReader(options) });
  }
  if (options?.from !== 'socket') throw new TypeError("clientCertificate.from must be 'socket' or 'proxy'");
  return Object.freeze({ isTlsCertificateNeeded: true, read: readSocketCertificate });
}
