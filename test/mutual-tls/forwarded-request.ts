import type { IncomingMessage } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll } from 'vitest';
import { type ErrorCode, isRefusal } from '../../src/errors.ts';
import {
  type ClientCertificateOptions,
  createClientCertificateSource,
} from '../../src/mutual-tls/client-certificate.ts';
import { PROXY_FORMATS, type ProxyFormatName } from '../../src/mutual-tls/proxy-formats.ts';
import { issue, rsaKeys } from '../x509/certificate-factory.ts';
import type { Fields } from './forwarders.ts';

export const REFUSED: ErrorCode = 'ERR_PROXY_HEADER';
export const root = issue('authority', 'root', { keys: rsaKeys() });
export const issuing = issue('authority', 'issuing', { issuer: root });
export const one = issue('end entity', 'one', { issuer: issuing }).der;
export const two = issue('end entity', 'two', { issuer: issuing }).der;

/** A real connection from 127.0.0.1, as our side of it sees it. */
let socket: Socket;
let server: Server;
beforeAll(async () => {
  socket = await new Promise((resolve) => {
    server = createServer(resolve);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1').on('error', () => {});
    });
  });
});
afterAll(() => {
  socket.destroy();
  server.close();
});

export const request = (rawHeaders: readonly string[]) =>
  ({ rawHeaders, socket }) as unknown as IncomingMessage;
export const rawOf = (fields: Fields) => Object.entries(fields).flat();
export const fieldOf = (format: ProxyFormatName) => PROXY_FORMATS[format].header;
export const behind = (format: ProxyFormatName, change: object = {}): ClientCertificateOptions => ({
  from: 'proxy',
  format,
  trustedProxies: ['127.0.0.1'],
  ...change,
});

/** What the source makes of the fields: a thumbprint, `none`, or the code of the refusal. */
export function outcome(options: ClientCertificateOptions, rawHeaders: readonly string[]): string {
  try {
    return createClientCertificateSource(options).read(request(rawHeaders)).certificate?.thumbprint ?? 'none';
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
}
