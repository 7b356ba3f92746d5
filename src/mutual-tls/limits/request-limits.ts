import type { ServerOptions } from 'node:http';

/** An RSA-4096 path of three certificates and two JWTs pass the 16 kB that Node allows by default. */
const MAX_HEADER_BYTES = 32 * 1024;
/** Longest time of a TLS handshake. */
export const HANDSHAKE_TIMEOUT_SECONDS = 10;
const HEADERS_TIMEOUT_SECONDS = 10;
const REQUEST_TIMEOUT_SECONDS = 15;

/** The limits of size and time of each request: of its head, of the whole of it, and of the pause before the next. */
export function requestLimits(keepAliveSeconds: number): ServerOptions {
  return {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_SECONDS * 1000,
    requestTimeout: REQUEST_TIMEOUT_SECONDS * 1000,
    keepAliveTimeout: keepAliveSeconds * 1000,
    connectionsCheckingInterval: 1000,
    requireHostHeader: true,
    insecureHTTPParser: false,
  };
}
