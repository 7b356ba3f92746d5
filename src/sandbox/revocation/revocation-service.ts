import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../events.ts';
import { writeCrl } from './crl-writer.ts';
import { answerOcsp } from './ocsp-responder.ts';
import type { PublishedAuthority } from './published-authority.ts';
import type { Revocation } from './revocations.ts';

export interface RevocationServiceOptions {
  readonly authorities: readonly PublishedAuthority[];
  readonly revocations: { readonly current: () => Promise<readonly Revocation[]> };
  readonly clock: Clock;
  readonly log: Log;
}

/** The service in which the CAs of a sandbox publish their revocations. */
export interface RevocationService {
  /** Binds the port of loopback (0 = any free one) and answers with the one it got. */
  listen(port: number): Promise<number>;
  close(): Promise<void>;
}

/** Short, so that clients that cache answers see a revocation soon; a real CA sets hours or days. */
const VALID_SECONDS = 60;
/** A request with one CertID has about 100 bytes. */
const MAX_REQUEST_BYTES = 8192;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
}

/**
 * Serves over plain HTTP, as authorities do: OCSP by GET and POST (RFC 6960 appendix A.1), a CRL and the
 * certificate of each authority.
 */
export function createRevocationService(options: RevocationServiceOptions): RevocationService {
  const numbers = new Map<string, bigint>();
  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const path = request.url ?? '';
    if (path === '/ocsp' || path.startsWith('/ocsp/')) return ocspAnswer(request, options);
    const [, name, kind] = /^\/([a-z-]+)\.(crl|cer)$/.exec(path) ?? [];
    const authority = options.authorities.find((one) => one.name === name);
    if (authority === undefined) return text(404, 'not found');
    if (request.method !== 'GET') return text(405, 'method not allowed');
    if (kind === 'cer') {
      return { status: 200, type: 'application/pkix-cert', body: authority.certificate.der };
    }
    return crlAnswer(authority, options, numbers);
  };
  const server = createServer((request, response) => {
    answer(request).then(
      (found) => send(response, found),
      (error: unknown) => {
        options.log.emit('sandbox.unexpected', { error });
        send(response, text(500, 'internal error'));
      },
    );
  });
  return {
    listen: (port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function crlAnswer(
  authority: PublishedAuthority,
  { revocations, clock }: RevocationServiceOptions,
  numbers: Map<string, bigint>,
): Promise<Answer> {
  const revoked = (await revocations.current()).filter((one) => one.authority === authority.name);
  const dates = updatesFrom(clock.now());
  // Greater for each later CRL, also of a later run (RFC 5280 §5.2.3).
  const last = numbers.get(authority.name) ?? 0n;
  const time = BigInt(clock.now().getTime());
  const number = time > last ? time : last + 1n;
  numbers.set(authority.name, number);
  return {
    status: 200,
    type: 'application/pkix-crl',
    body: writeCrl(authority, { revoked, number, ...dates }),
  };
}

async function ocspAnswer(request: IncomingMessage, options: RevocationServiceOptions): Promise<Answer> {
  const der = request.method === 'POST' ? await boundedBody(request) : requestInPath(request);
  if (der === undefined) return text(request.method === 'POST' ? 413 : 405, 'refused');
  const revoked = await options.revocations.current();
  const facts = { authorities: options.authorities, revoked, ...updatesFrom(options.clock.now()) };
  return { status: 200, type: 'application/ocsp-response', body: answerOcsp(der, facts) };
}

/** `/ocsp/` and the URL-encoded base64 of the request. */
function requestInPath({ method, url = '' }: IncomingMessage): Buffer | undefined {
  if (method !== 'GET') return undefined;
  return Buffer.from(url.slice('/ocsp/'.length).replaceAll(/%([0-9a-f]{2})/gi, decoded), 'base64');
}

function decoded(_escape: string, hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16));
}

async function boundedBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_REQUEST_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function updatesFrom(now: Date): { readonly thisUpdate: Date; readonly nextUpdate: Date } {
  return { thisUpdate: now, nextUpdate: new Date(now.getTime() + VALID_SECONDS * 1000) };
}

function text(status: number, body: string): Answer {
  return { status, type: 'text/plain', body: Buffer.from(body) };
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': body.length,
    'cache-control': 'no-store',
  });
  response.end(body);
}
