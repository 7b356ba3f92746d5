import type { IncomingMessage, ServerResponse } from 'node:http';
import { OpenBankingError } from '../../errors.ts';
import type { OriginalRequest, Protection } from '../decision/protection.ts';
import type { RouteRequirement } from '../decision/route-requirement.ts';
import type { MessageSignatures } from '../signatures/message-signatures.ts';

/** An answer on its way, with the request that it answers. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly original: OriginalRequest | IncomingMessage;
}

/**
 * Signs the answer of a route, if the route asks for it: holds back what is written, and sends it with its signature at
 * the end. Called after the request was let through, before anything is written.
 *
 * An answer beyond `maxAnswerBytes`, or one whose signature cannot be made, becomes a 500 or 503 without a signature.
 */
export function signAnswer(
  protection: Protection,
  exchange: Exchange,
  { signatures }: Pick<RouteRequirement, 'signatures'>,
): void {
  if (signatures?.signsAnswers === true) new HeldAnswer(protection, exchange, signatures).hold();
}

type Written = readonly unknown[];

class HeldAnswer {
  readonly #protection: Protection;
  readonly #exchange: Exchange;
  readonly #signatures: MessageSignatures;
  readonly #write: ServerResponse['write'];
  readonly #end: ServerResponse['end'];
  readonly #writeHead: ServerResponse['writeHead'];
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #isEnded = false;

  constructor(protection: Protection, exchange: Exchange, signatures: MessageSignatures) {
    const { response } = exchange;
    this.#protection = protection;
    this.#exchange = exchange;
    this.#signatures = signatures;
    // Those of this response: another middleware may have replaced them.
    this.#write = response.write;
    this.#end = response.end;
    this.#writeHead = response.writeHead;
  }

  hold(): void {
    const { response } = this.#exchange;
    response.writeHead = (status: number, ...parts: Written) => this.#holdHead(status, parts);
    response.flushHeaders = () => undefined;
    response.write = (...parts: Written) => this.#holdChunk(parts);
    response.end = (...parts: Written) => {
      if (typeof parts[0] !== 'function' && parts[0] !== undefined && parts[0] !== null)
        this.#holdChunk(parts);
      if (!this.#isEnded) this.#finish(callbackOf(parts));
      return response;
    };
  }

  #holdHead(status: number, parts: Written): ServerResponse {
    const { response } = this.#exchange;
    response.statusCode = status;
    const [message] = parts;
    if (typeof message === 'string') response.statusMessage = message;
    for (const [name, value] of fieldsOf(parts.at(-1))) response.setHeader(name, value);
    return response;
  }

  #holdChunk(parts: Written): boolean {
    const chunk = bytesOf(parts);
    this.#size += chunk.length;
    // Beyond the limit nothing is kept: the answer will be an error.
    if (this.#size <= this.#signatures.maxAnswerBytes) this.#chunks.push(chunk);
    else this.#chunks.length = 0;
    callbackOf(parts)?.();
    return true;
  }

  #finish(callback: (() => void) | undefined): void {
    this.#isEnded = true;
    this.#sign()
      .then((body) => this.#send(body, callback))
      .catch((error: unknown) => this.#sendFault(error, callback));
  }

  async #sign(): Promise<Buffer> {
    const { request, response, original } = this.#exchange;
    const { maxAnswerBytes: maximum } = this.#signatures;
    if (this.#size > maximum) throw new OpenBankingError('ERR_SIGNATURE_ANSWER_TOO_LARGE', { maximum });
    const { method = '', url = '' } = original;
    const { statusCode: status } = response;
    // RFC 9110 §6.4.1: these answers have no content on the wire.
    const isBare = request.method === 'HEAD' || status === 204 || status === 304;
    const body = isBare ? Buffer.alloc(0) : Buffer.concat(this.#chunks);
    const fields = await this.#signatures.signAnswer({
      status,
      body,
      field: (name) => textOf(response.getHeader(name)),
      request: { method, url, rawHeaders: request.rawHeaders },
    });
    for (const [name, value] of Object.entries(fields)) response.setHeader(name, value);
    // A compressed answer would have another digest (RFC 9111 §5.2.2.6).
    response.setHeader('cache-control', 'no-store, no-transform');
    return body;
  }

  #release(): ServerResponse {
    const { response } = this.#exchange;
    response.write = this.#write;
    response.end = this.#end;
    response.writeHead = this.#writeHead;
    return response;
  }

  #send(body: Buffer, callback: (() => void) | undefined): void {
    this.#release().end(body, callback);
  }

  #sendFault(error: unknown, callback: (() => void) | undefined): void {
    const { request, original } = this.#exchange;
    const { status, headers, body } = this.#protection.failAnswer(request, error, original);
    const response = this.#release();
    for (const name of response.getHeaderNames()) {
      if (name !== 'x-fapi-interaction-id') response.removeHeader(name);
    }
    response.writeHead(status, { ...headers });
    response.end(JSON.stringify(body), callback);
  }
}

function callbackOf(parts: Written): (() => void) | undefined {
  const last = parts.at(-1);
  return typeof last === 'function' ? () => void last() : undefined;
}

function bytesOf([chunk, encoding]: Written): Buffer {
  if (typeof chunk === 'string') {
    return Buffer.from(
      chunk,
      typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8',
    );
  }
  if (chunk instanceof Uint8Array) return Buffer.from(chunk);
  throw new TypeError('a chunk of an answer must be a string or bytes');
}

type FieldValue = string | number | readonly string[];

/** The forms of `writeHead`: an object, or names and values in turn, or pairs. A name that comes again adds a value. */
function fieldsOf(given: unknown): Iterable<readonly [string, FieldValue]> {
  if (typeof given !== 'object' || given === null) return [];
  if (!Array.isArray(given)) return Object.entries(given).filter(isField);
  const pairs: readonly unknown[] = Array.isArray(given[0])
    ? given
    : given.flatMap((name: unknown, at) => (at % 2 === 0 ? [[name, given[at + 1]]] : []));
  const fields = new Map<string, FieldValue>();
  for (const [name, value] of pairs.filter(isField)) {
    const before = fields.get(name.toLowerCase());
    fields.set(name.toLowerCase(), before === undefined ? value : [before, value].flat().map(String));
  }
  return fields;
}

function isField(pair: unknown): pair is readonly [string, FieldValue] {
  return Array.isArray(pair) && typeof pair[0] === 'string' && pair[1] !== undefined;
}

function textOf(value: FieldValue | undefined): string | undefined {
  if (value === undefined) return undefined;
  return Array.isArray(value) ? value.join(', ') : String(value);
}
