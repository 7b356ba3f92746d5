import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import type { Presented } from '../folder/prepared-folder.ts';

export interface ExchangeOptions {
  /** CAs of the target's own certificate, PEM; undefined: those of Node. */
  readonly caPem: string | undefined;
  readonly timeoutSeconds: number;
}

export interface Exchange {
  readonly url: URL;
  /** Absent: no certificate. */
  readonly presented?: Presented | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** A form to post; absent: GET. */
  readonly form?: URLSearchParams;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/**
 * `alert`: the target ended TLS with an alert. `closed-in-handshake`: without an alert, before there was a request.
 * `closed`: the connection ended without an answer to the request. `local`: this machine did not even present the
 * certificate.
 */
type FailureKind =
  | 'alert'
  | 'closed-in-handshake'
  | 'closed'
  | 'late'
  | 'unreachable'
  | 'untrusted-server'
  | 'local';

export interface ExchangeFailure {
  readonly failure: FailureKind;
  readonly text: string;
}

const MAX_BODY_BYTES = 65_536;
/** How long an alert may be on its way: under TLS 1.3 it comes after the client's part of the handshake is done. */
const ALERT_MILLISECONDS = 400;
/** Without it OpenSSL would not present the certificates with SHA-1 and with a key of 1024 bits. */
const PRESENT_ANY = 'DEFAULT@SECLEVEL=0';
const UNREACHABLE = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'EADDRNOTAVAIL',
];
const CLOSED = ['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'HPE_INVALID_EOF_STATE'];

/**
 * Sends one request over a new connection. Where the connection ends without an answer, the request is sent once more, after
 * a pause: data in flight can wipe out an alert, and the end is then about the certificate.
 */
export async function exchange(
  one: Exchange,
  options: ExchangeOptions,
): Promise<HttpAnswer | ExchangeFailure> {
  const first = await attempt(one, options, 0);
  const isClosed = 'failure' in first && first.failure.startsWith('closed');
  return isClosed ? attempt(one, options, ALERT_MILLISECONDS) : first;
}

async function attempt(
  one: Exchange,
  options: ExchangeOptions,
  pause: number,
): Promise<HttpAnswer | ExchangeFailure> {
  const signal = AbortSignal.timeout(options.timeoutSeconds * 1000);
  let socket: TLSSocket | undefined;
  let isAsked = false;
  try {
    socket = opened(one, options);
    await once(socket, 'secureConnect', { signal });
    if (pause > 0) await withoutError(socket, pause);
    isAsked = true;
    return await answered(one, socket, signal);
  } catch (error) {
    if (signal.aborted) return { failure: 'late', text: `no answer within ${options.timeoutSeconds} s` };
    return failureOf(error, isAsked);
  } finally {
    socket?.destroy();
  }
}

function opened({ url, presented }: Exchange, { caPem }: ExchangeOptions): TLSSocket {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const socket = connect({
    host,
    port: Number(url.port || 443),
    ALPNProtocols: ['http/1.1'],
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(caPem === undefined ? {} : { ca: caPem }),
    ...(presented === undefined
      ? {}
      : { cert: presented.certificatePem, key: presented.keyPem, ciphers: PRESENT_ANY }),
  });
  // An error before or after those that are waited for must not end the process.
  socket.on('error', () => {});
  return socket;
}

async function withoutError(socket: TLSSocket, milliseconds: number): Promise<void> {
  const failed = once(socket, 'close').then(() => {
    throw socket.errored ?? Object.assign(new Error('closed'), { code: 'ECONNRESET' });
  });
  await Promise.race([failed, sleep(milliseconds)]);
}

async function answered(one: Exchange, socket: TLSSocket, signal: AbortSignal): Promise<HttpAnswer> {
  const { url, form, headers } = one;
  const request = httpsRequest(url, {
    createConnection: () => socket,
    signal,
    method: form === undefined ? 'GET' : 'POST',
    headers: {
      accept: 'application/json',
      connection: 'close',
      'user-agent': 'tallystick-certificate-conformance',
      ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      ...headers,
    },
  });
  request.end(form?.toString());
  const [response]: IncomingMessage[] = await once(request, 'response', { signal });
  if (response === undefined) throw new TypeError('a response event has a response');
  return { status: response.statusCode ?? 0, headers: response.headers, body: await bodyOf(response) };
}

/** The beginning of the body. */
async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_BODY_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8').slice(0, MAX_BODY_BYTES);
}

function failureOf(error: unknown, isAsked: boolean): ExchangeFailure {
  const {
    code = '',
    message,
    reason,
  }: NodeJS.ErrnoException & { readonly reason?: string } = error instanceof Error
    ? error
    : new Error(String(error));
  if (code.startsWith('ERR_SSL_')) {
    const text = reason ?? message;
    const isAlert = /\balert\b/.test(text);
    return isAlert
      ? { failure: 'alert', text: `TLS: ${text}` }
      : { failure: 'local', text: `TLS here: ${text}` };
  }
  if (CLOSED.includes(code)) {
    return isAsked
      ? { failure: 'closed', text: 'connection closed, without an answer to the request' }
      : { failure: 'closed-in-handshake', text: 'TLS: connection closed in the handshake, without an alert' };
  }
  if (UNREACHABLE.includes(code)) return { failure: 'unreachable', text: `${code}: ${message}` };
  const isServerCertificate = /^(ERR_TLS_CERT|DEPTH_|UNABLE_|SELF_SIGNED|CERT_|INVALID_CA|HOSTNAME_)/.test(
    code,
  );
  return isServerCertificate
    ? { failure: 'untrusted-server', text: `${code}: ${message}` }
    : { failure: 'closed', text: `no HTTP answer: ${code} ${message}` };
}
