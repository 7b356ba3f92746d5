import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as requestHttp,
  type ServerResponse,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { OpenBankingError } from '../../errors.ts';
import { foldedName } from '../../mutual-tls/forwarded-fields.ts';
import { tracing } from '../../tracing.ts';
import type { FapiHeaders } from '../decision/protection.ts';
import { IDENTITY_PREFIX } from './gateway-answer.ts';

export interface Upstream {
  /** Scheme and authority of the API, `http://127.0.0.1:8080`. */
  readonly origin: string;
  /** PEM of the CA of its certificate. Default: the public ones. */
  readonly caPem?: string | undefined;
  /** How long the API may be silent. Default 30. */
  readonly timeoutSeconds?: number | undefined;
}

/** Sends a request on and its answer back. @throws ERR_UPSTREAM_UNAVAILABLE while nothing of the answer has been sent */
export type Forward = (
  request: IncomingMessage,
  response: ServerResponse,
  headers: { readonly identity: Readonly<Record<string, string>>; readonly answer: FapiHeaders },
) => Promise<void>;

/** RFC 9110 §7.6.1: fields of one connection. `Expect` is answered here. */
const OF_CONNECTION = [
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];
/** Passed on where they are good (W3C Trace Context §3.2). */
const OF_TRACE = ['traceparent', 'tracestate'];
const MAX_SOCKETS = 256;
const TIMEOUT_SECONDS = 30;

/**
 * Forwards requests to an API, with the proof in `x-tallystick-…` headers, and streams both bodies. Connections are
 * kept open and used again; a request is never sent twice.
 *
 * @throws TypeError for an address that is none
 */
export function forwardTo({ origin, caPem, timeoutSeconds = TIMEOUT_SECONDS }: Upstream): Forward {
  const target = URL.parse(origin);
  if (target === null || !/^https?:$/.test(target.protocol) || target.origin !== origin) {
    throw new TypeError('upstream.origin must be an http or https origin, without a path');
  }
  const isTls = target.protocol === 'https:';
  const options = { keepAlive: true, maxSockets: MAX_SOCKETS };
  const agent = isTls ? new HttpsAgent({ ...options, ...(caPem && { ca: caPem }) }) : new HttpAgent(options);
  const send = isTls ? requestHttps : requestHttp;

  return async (request, response, { identity, answer }) => {
    const { hostname, port } = target;
    const sent = send({
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port,
      method: request.method,
      path: request.url,
      headers: requestFields(request.rawHeaders, { ...identity, ...tracing().fields(), host: target.host }),
      agent,
    });
    sent.setTimeout(timeoutSeconds * 1000, () => sent.destroy(new Error('no answer in time')));
    response.once('close', () => sent.destroy());
    const received = await exchanged(request, sent);
    response.writeHead(received.statusCode ?? 502, answerFields(received.rawHeaders, answer));
    await pipeline(received, response).catch(() => {
      // The status has been sent: only a torn connection can say that the rest is missing.
      response.destroy();
    });
  };
}

function exchanged(request: IncomingMessage, sent: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => reject(new OpenBankingError('ERR_UPSTREAM_UNAVAILABLE', {}, { cause }));
    sent.once('response', resolve).once('close', fail).on('error', fail);
    // Not a pipeline: the client's connection must outlive one that the API closes, for the answer.
    request.pipe(sent);
  });
}

/** The client's fields as they came, without those of the connection and without any that looks like one of ours. */
function requestFields(raw: readonly string[], ours: Readonly<Record<string, string>>): readonly string[] {
  const isOurs = (name: string) =>
    name in ours || OF_TRACE.includes(name) || foldedName(name).startsWith(IDENTITY_PREFIX);
  const passed = passedOn(raw, isOurs);
  // Without a length, a body is framed anew: Node would send that of a DELETE without any frame.
  const isChunked = raw.some((name, at) => at % 2 === 0 && name.toLowerCase() === 'transfer-encoding');
  return [...passed, ...Object.entries(ours).flat(), ...(isChunked ? ['transfer-encoding', 'chunked'] : [])];
}

function answerFields(raw: readonly string[], ours: FapiHeaders): string[] {
  const added = new Map(Object.entries(ours));
  return [...passedOn(raw, (name) => added.has(name)), ...[...added].flat()];
}

function passedOn(raw: readonly string[], isReplaced: (name: string) => boolean): string[] {
  const pairs = raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1] ?? ''] as const] : []));
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) =>
      value
        .toLowerCase()
        .split(',')
        .map((one) => one.trim()),
    );
  const dropped = new Set([...OF_CONNECTION, ...named]);
  return pairs.filter(([name]) => !dropped.has(name.toLowerCase()) && !isReplaced(name.toLowerCase())).flat();
}
