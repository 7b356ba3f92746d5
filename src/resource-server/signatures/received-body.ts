import type { IncomingMessage } from 'node:http';
import { OpenBankingError } from '../../errors.ts';

const NOTHING = Buffer.alloc(0);

/**
 * Receives the body of a request and leaves it in the request, so that whatever reads the body next finds every byte.
 *
 * A body beyond the limit is refused as soon as that shows; the rest of it is thrown away as it comes.
 *
 * @throws ERR_HTTP_TOO_LARGE; ERR_HTTP_MALFORMED when the client breaks off; TypeError when the body was read before
 */
export async function receiveBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (request.readableDidRead) {
    throw new TypeError('the body was read before its signature was verified: mount the protection first');
  }
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  // RFC 9112 §6.3: such a request has no body. Its end is not read: a parser may still wait for it.
  if (coding === undefined && (length === undefined || length === '0')) return NOTHING;
  if (Number(length ?? 0) > maxBytes) throw tooLarge(request, maxBytes);
  return new Promise((resolve, reject) => new BodyReader(request, maxBytes, { resolve, reject }));
}

interface Outcome {
  readonly resolve: (body: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

class BodyReader {
  readonly #request: IncomingMessage;
  readonly #maxBytes: number;
  readonly #outcome: Outcome;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(request: IncomingMessage, maxBytes: number, outcome: Outcome) {
    this.#request = request;
    this.#maxBytes = maxBytes;
    this.#outcome = outcome;
    request.on('readable', this.#read).on('error', this.#breakOff).on('close', this.#breakOff);
  }

  readonly #read = (): void => {
    const request = this.#request;
    // Never past the end: a stream that has ended takes nothing back.
    while (request.readableLength > 0) {
      const chunk: unknown = request.read();
      if (!Buffer.isBuffer(chunk)) break;
      this.#chunks.push(chunk);
      this.#size += chunk.length;
      if (this.#size > this.#maxBytes) {
        this.#leave();
        this.#outcome.reject(tooLarge(request, this.#maxBytes));
        return;
      }
    }
    if (!request.complete) return;
    const body = Buffer.concat(this.#chunks);
    if (body.length > 0) request.unshift(body);
    this.#leave();
    this.#outcome.resolve(body);
  };

  readonly #breakOff = (): void => {
    this.#leave();
    this.#outcome.reject(new OpenBankingError('ERR_HTTP_MALFORMED', { problem: 'the body broke off' }));
  };

  #leave(): void {
    this.#request.off('readable', this.#read).off('error', this.#breakOff).off('close', this.#breakOff);
  }
}

function tooLarge(request: IncomingMessage, maximum: number): OpenBankingError<'ERR_HTTP_TOO_LARGE'> {
  request.resume();
  return new OpenBankingError('ERR_HTTP_TOO_LARGE', { maximum });
}
