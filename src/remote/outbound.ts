import { lookup as resolve } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { Agent, fetch } from 'undici';
import { OpenBankingError } from '../errors.ts';

export interface OutboundOptions {
  /**
   * Whether addresses of this machine and of private networks may be reached. Default false: an address that a
   * stranger chose (a certificate, a client's metadata) must not lead into the bank's own network.
   */
  readonly allowPrivateAddresses?: boolean;
  /** Whether `http:` may be fetched: for CRLs and OCSP answers, which are signed. Default false. */
  readonly allowHttp?: boolean;
  /** PEM of the only authorities that may vouch for the servers. Default: the public ones. */
  readonly caPem?: string;
  /** The certificate that this side presents, and its key, in PEM. */
  readonly clientCertificate?: { readonly certificatePem: string; readonly privateKeyPem: string };
  /** From the first look-up to the last byte. */
  readonly timeoutSeconds: number;
  readonly maxBytes: number;
}

export interface OutboundRequest {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface OutboundResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** The only HTTP client. */
export interface Outbound {
  /**
   * Fetches bytes. A redirect is an answer like any other: it is not followed.
   *
   * @throws ERR_OUTBOUND_REFUSED before anything is sent; ERR_OUTBOUND_FAILED
   */
  fetchBytes(url: string, request?: OutboundRequest): Promise<OutboundResponse>;
  /** Cuts off what is under way. */
  close(): Promise<void>;
}

/**
 * What is not the public Internet: RFC 6890 and its updates, multicast, and addresses that embed IPv4 ones. One list
 * a family: a BlockList with the IPv4-mapped range in it holds every IPv4 address.
 */
const SPECIAL = { ipv4: new BlockList(), ipv6: new BlockList() };
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  SPECIAL.ipv4.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['::ffff:0:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  SPECIAL.ipv6.addSubnet(network, prefix, 'ipv6');
}

/** Whether an IP address is of this machine, a private network or otherwise not public. */
export function isSpecialAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return true;
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  return SPECIAL[kind].check(address, kind);
}

/**
 * Makes a client that connects to checked addresses only: the name is resolved once, every address of the answer
 * is judged, and the connection goes to what was judged, so that a second look-up cannot change it.
 */
export function createOutbound(options: OutboundOptions): Outbound {
  const agent = new Agent({
    connect: {
      timeout: options.timeoutSeconds * 1000,
      ...(options.caPem === undefined ? {} : { ca: options.caPem }),
      ...(options.clientCertificate === undefined
        ? {}
        : {
            cert: options.clientCertificate.certificatePem,
            key: options.clientCertificate.privateKeyPem,
          }),
      lookup: (host, lookupOptions, callback) => {
        checkedAddresses(host, options).then(
          (found) =>
            lookupOptions.all === true
              ? callback(null, [...found])
              : callback(null, found[0]?.address ?? '', found[0]?.family ?? 4),
          (error: NodeJS.ErrnoException) => callback(error, '', 4),
        );
      },
    },
    headersTimeout: options.timeoutSeconds * 1000,
    bodyTimeout: options.timeoutSeconds * 1000,
    keepAliveTimeout: 5000,
    connections: 16,
  });

  return {
    async fetchBytes(text, request = {}) {
      const url = checkedUrl(text, options);
      try {
        const response = await fetch(url, {
          dispatcher: agent,
          redirect: 'manual',
          method: request.method ?? 'GET',
          headers: { 'accept-encoding': 'identity', ...request.headers },
          ...(request.body === undefined ? {} : { body: request.body }),
          signal: AbortSignal.timeout(options.timeoutSeconds * 1000),
        });
        const encoding = response.headers.get('content-encoding') ?? 'identity';
        if (encoding !== 'identity') {
          await response.body?.cancel();
          throw failed(url.hostname, 'the answer is compressed');
        }
        const body = await boundedBody(response.body, url.hostname, options.maxBytes);
        return { status: response.status, headers: response.headers as Headers, body };
      } catch (error) {
        throw asRefusal(error, url.hostname);
      }
    },
    close: () => agent.destroy(),
  };
}

function checkedUrl(text: string, options: OutboundOptions): URL {
  const url = URL.parse(text);
  if (url === null) throw refused('', 'the address is not a URL');
  const isAllowed = url.protocol === 'https:' || (url.protocol === 'http:' && options.allowHttp === true);
  if (!isAllowed) throw refused(url.hostname, 'the scheme is not allowed');
  if (url.username !== '' || url.password !== '')
    throw refused(url.hostname, 'the address holds credentials');
  // A literal address is connected to without a look-up, so it is judged here.
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0) assertAllowed(literal, url.hostname, options);
  return url;
}

async function checkedAddresses(host: string, options: OutboundOptions) {
  const found = await resolve(host, { all: true, order: 'verbatim' });
  for (const { address } of found) assertAllowed(address, host, options);
  return found;
}

function assertAllowed(address: string, host: string, options: OutboundOptions): void {
  if (options.allowPrivateAddresses !== true && isSpecialAddress(address)) {
    throw refused(host, 'the address is not public');
  }
}

async function boundedBody(
  stream: AsyncIterable<Uint8Array> | null,
  host: string,
  maxBytes: number,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw failed(host, `the answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function asRefusal(error: unknown, host: string): OpenBankingError {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    if (at instanceof OpenBankingError) return at;
  }
  const isTimeout = error instanceof Error && error.name === 'TimeoutError';
  return failed(host, isTimeout ? 'no answer in time' : 'no answer', error);
}

function refused(host: string, problem: string): OpenBankingError<'ERR_OUTBOUND_REFUSED'> {
  return new OpenBankingError('ERR_OUTBOUND_REFUSED', { host, problem });
}

function failed(host: string, problem: string, cause?: unknown): OpenBankingError<'ERR_OUTBOUND_FAILED'> {
  return new OpenBankingError('ERR_OUTBOUND_FAILED', { host, problem }, { cause });
}
