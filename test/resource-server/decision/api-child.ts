import { readFileSync } from 'node:fs';
import { silentLog } from '../../../src/events.ts';
import { createListener } from '../../../src/mutual-tls/listeners.ts';
import { createAuthorizer, createProtection, nodeProtection } from '../../../src/resource-server/index.ts';

/** How the parent wants the API. */
export interface ApiOptions {
  readonly issuer: string;
  readonly resourceUrl: string;
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Where it listens. Default: `resourceUrl`. */
  readonly url?: string;
  readonly statusMaxAgeSeconds?: number;
  readonly introspection?: {
    readonly endpoint: string;
    readonly clientId: string;
    readonly certificateFile: string;
    readonly keyFile: string;
    readonly response: 'signed' | 'plain';
  };
}

// An account API as a process of its own: it shares nothing with the authorization server.
const options = JSON.parse(process.argv[2] ?? '') as ApiOptions;
const read = (file: string) => readFileSync(file, 'utf8');
const { introspection, statusMaxAgeSeconds: maxAgeSeconds } = options;
const url = new URL(options.url ?? options.resourceUrl);
const authorizer = createAuthorizer({
  issuer: options.issuer,
  audience: options.resourceUrl,
  caPem: read(options.caFile),
  ...(maxAgeSeconds === undefined ? {} : { status: { maxAgeSeconds } }),
  ...(introspection === undefined
    ? {}
    : {
        introspection: {
          endpoint: introspection.endpoint,
          clientId: introspection.clientId,
          response: introspection.response,
          certificatePem: read(introspection.certificateFile),
          privateKeyPem: read(introspection.keyFile),
        },
      }),
});
const protection = createProtection({ authorizer, clientCertificate: { from: 'socket' } });
const listener = createListener({
  name: 'resource',
  certificatePem: read(options.certificateFile),
  privateKeyPem: read(options.keyFile),
  requestClientCertificate: true,
  log: silentLog,
});
listener.serve(
  url,
  nodeProtection(protection, { scopes: [], roles: [] }, (_request, response, authorization) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(authorization));
  }),
);
await listener.listen(Number(url.port), '127.0.0.1');
process.send?.('ready');
