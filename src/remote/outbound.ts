import { lookup as resolve } from 'node:dns/promises';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { isRefusal, OpenBankingError } from '../errors.ts';
import { tracing } from '../tracing.ts';
import { Agents } from './agents.ts';
import type { ProxySettings } from './proxy.ts';

export interface OutboundOptions {
  /**
   * Whether addresses of this machine and of private networks may be reached. Default false: an address that a
   * stranger chose (a certificate, a client's metadata) must not reach the bank's own network.
   */
  readonly allowPrivateAddresses?: boolean;
  /** Whether `http:` may be fetched: for CRLs and OCSP answers, which are signed. Default false. */
  readonly allowHttp?: boolean;
  /** PEM of the only CAs that are trusted for the servers. Default: the public ones. */
  readonly caPem?: string | undefined;
  /** The certificate that this side presents, and its key, in PEM. */
  readonly clientCertificate?:
    | { readonly certificatePem: string; readonly privateKeyPem: string }
    | undefined;
  /** The proxy for requests, which then resolves the names: only literal addresses are judged here. Default: none. */
  readonly proxy?: ProxySettings | undefined;
  /** Whether requests name the trace that they belong to: those to servers of the bank. Default false. */
  readonly passesTrace?: boolean;
  /** From the DNS query to the last byte. */
  readonly timeoutSeconds: number;
  readonly maxBytes: number;
}

export interface OutboundRequest {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Requests of one pool share 16 connections to a host; pools do not wait for each other. Default: one a host. */
  readonly pool?: string;
}

export interface OutboundResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/**
 * Addresses outside the public Internet: RFC 6890 and its updates, multicast, and addresses that embed IPv4 ones. One
 * list a family: a BlockList with the IPv4-mapped range in it holds every IPv4 address.
 */
const SPECIAL = {
  ipv4: blockList(
    'ipv4',
    `0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
     192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3`,
  ),
  ipv6: blockList(
    'ipv6',
    `::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16
     3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8`,
  ),
};

function blockList(family: 'ipv4' | 'ipv6', ranges: string): BlockList {
  const list = new BlockList();
  for (const range of ranges.split(/\s+/)) {
    const [network = '', prefix] = range.split('/');
    list.addSubnet(network, Number(prefix), family);
  }
  return list;
}

/** Whether an IP address is of this machine, a private network or otherwise not public. */
export function isSpecialAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return true;
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  return SPECIAL[kind].check(address, kind);
}

/** Ports of other protocols, some of which take an HTTP request for commands (Fetch standard, "port blocking"). */
const OTHER_PROTOCOLS: ReadonlySet<string> = new Set(
  `0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123
   135 137 139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995
   1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080`.split(
    /\s+/,
  ),
);

/**
 * The only HTTP client. It connects to checked addresses only: the name is resolved once, every address of the answer
 * is judged, and the connection goes to what was judged, so that a second look-up cannot change it.
 */
export class Outbound {
  readonly #options: OutboundOptions;
  readonly #agents: Agents;
  readonly #underWay = new Set<AbortController>();
  #isClosed = false;

  constructor(options: OutboundOptions) {
    const { caPem, clientCertificate, proxy } = options;
    this.#options = options;
    this.#agents = new Agents({
      lookup: checkedLookup(options),
      proxy,
      ...(caPem === undefined ? {} : { ca: caPem }),
      ...(clientCertificate === undefined
        ? {}
        : { cert: clientCertificate.certificatePem, key: clientCertificate.privateKeyPem }),
    });
  }

  /**
   * Fetches bytes. A redirect is an answer like any other: it is not followed. A GET whose kept connection the server
   * closes instead of answering is sent again, since the server may have closed it before (RFC 9110 §9.2.2).
   *
   * @throws ERR_OUTBOUND_REFUSED before anything is sent; ERR_OUTBOUND_ANSWER when the answer is too large or
   * compressed; ERR_OUTBOUND_FAILED when there is none
   */
  async fetchBytes(text: string, request: OutboundRequest = {}): Promise<OutboundResponse> {
    const url = checkedUrl(text, this.#options);
    const { method = 'GET' } = request;
    // The host alone: a path may be a secret.
    const facts = { 'http.request.method': method, 'server.address': url.hostname };
    return tracing().span(`${method} ${url.hostname}`, facts, async (note) => {
      const response = await this.#fetch(url, request);
      note({ 'http.response.status_code': response.status });
      return response;
    });
  }

  async #fetch(url: URL, request: OutboundRequest): Promise<OutboundResponse> {
    const { timeoutSeconds, maxBytes } = this.#options;
    const host = url.hostname;
    if (this.#isClosed) throw failed(host, 'the client is closed');
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(failed(host, 'no answer in time')), timeoutSeconds * 1000);
    this.#underWay.add(end);
    try {
      const response = await this.#send(url, request, end.signal);
      const headers = new Headers();
      for (const [name, values] of Object.entries(response.headersDistinct))
        for (const value of values ?? []) headers.append(name, value);
      if ((headers.get('content-encoding') ?? 'identity') !== 'identity') {
        response.destroy();
        throw unusable(host, 'the answer is compressed');
      }
      if (Number(headers.get('content-length')) > maxBytes) {
        response.destroy();
        throw unusable(host, `the answer is larger than ${maxBytes} bytes`);
      }
      const body = await boundedBody(response, host, maxBytes);
      return { status: response.statusCode ?? 0, headers, body };
    } catch (error) {
      const reason: unknown = end.signal.aborted ? end.signal.reason : error;
      throw isRefusal(reason) ? reason : failed(host, 'no answer', reason);
    } finally {
      clearTimeout(timer);
      this.#underWay.delete(end);
    }
  }

  /** Cuts off requests that are under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const end of this.#underWay) end.abort(failed('', 'the client is closed'));
    this.#agents.destroy();
  }

  #send(url: URL, request: OutboundRequest, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = {
        method: request.method ?? 'GET',
        agent: this.#agents.agentFor(url),
        ...(request.pool === undefined ? {} : { pool: request.pool }),
        headers: {
          accept: '*/*',
          'accept-encoding': 'identity',
          'user-agent': 'tallystick',
          ...(this.#options.passesTrace === true ? tracing().fields() : {}),
          ...request.headers,
        },
      };
      const send = url.protocol === 'https:' ? requestHttps : requestHttp;
      const outgoing = send(url, options, resolve);
      outgoing.on('error', (error) => {
        const isRepeatable = outgoing.reusedSocket && options.method === 'GET' && !signal.aborted;
        // Each repetition uses up one kept connection, and a new connection is not repeated.
        if (isRepeatable) resolve(this.#send(url, request, signal));
        else reject(error);
      });
      // Closed without an error or a response: the server changed the protocol, which no request asks for.
      outgoing.once('close', () => reject(new Error('the connection was closed')));
      // A request that waits for a connection reports nothing when it is destroyed: the promise is rejected here.
      signal.addEventListener('abort', () => {
        reject(signal.reason);
        outgoing.destroy();
      });
      outgoing.end(request.body);
    });
  }
}

function checkedUrl(text: string, options: OutboundOptions): URL {
  const url = URL.parse(text);
  if (url === null) throw refused('', 'the address is not a URL');
  const isAllowed = url.protocol === 'https:' || (url.protocol === 'http:' && options.allowHttp === true);
  if (!isAllowed) throw refused(url.hostname, 'the scheme is not allowed');
  if (OTHER_PROTOCOLS.has(url.port)) throw failed(url.hostname, 'the port is of another protocol');
  if (url.username !== '' || url.password !== '')
    throw refused(url.hostname, 'the address holds credentials');
  // A literal address is connected to without a look-up, so it is judged here.
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0) assertAllowed(literal, url.hostname, options);
  return url;
}

function checkedLookup(options: OutboundOptions): LookupFunction {
  const find = async (host: string) => {
    const found = await resolve(host, { all: true, order: 'verbatim' });
    for (const { address } of found) assertAllowed(address, host, options);
    return found;
  };
  return (host, { all }, callback) => {
    find(host).then(
      (found) =>
        all === true ? callback(null, found) : callback(null, found[0]?.address ?? '', found[0]?.family),
      (error: NodeJS.ErrnoException) => callback(error, ''),
    );
  };
}

function assertAllowed(address: string, host: string, options: OutboundOptions): void {
  if (options.allowPrivateAddresses !== true && isSpecialAddress(address)) {
    throw refused(host, 'the address is not public');
  }
}

async function boundedBody(
  stream: AsyncIterable<Uint8Array>,
  host: string,
  maxBytes: number,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.byteLength;
    if (size > maxBytes) throw unusable(host, `the answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function refused(host: string, problem: string): OpenBankingError<'ERR_OUTBOUND_REFUSED'> {
  return new OpenBankingError('ERR_OUTBOUND_REFUSED', { host, problem });
}

function failed(host: string, problem: string, cause?: unknown): OpenBankingError<'ERR_OUTBOUND_FAILED'> {
  return new OpenBankingError('ERR_OUTBOUND_FAILED', { host, problem }, { cause });
}

function unusable(host: string, problem: string): OpenBankingError<'ERR_OUTBOUND_ANSWER'> {
  return new OpenBankingError('ERR_OUTBOUND_ANSWER', { host, problem });
}
