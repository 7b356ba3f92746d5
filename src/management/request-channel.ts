import { createServer, type IncomingMessage, request as httpRequest, type RequestListener } from 'node:http';
import { type Duplex, duplexPair } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ManagedAnswer, ManagedRequest, RequestOrigin } from './managed-request.ts';

/**
 * Serves requests that another process has received, by a handler of HTTP. The handler finds with `originOf` what the
 * listener has proved; no field of a request can pretend it.
 */
export class RequestChannel {
  readonly #server;
  readonly #origins = new WeakMap<Duplex, RequestOrigin>();

  constructor(handler: RequestListener) {
    this.#server = createServer({ keepAliveTimeout: 1, requireHostHeader: false }, handler);
  }

  readonly answer = async ({
    method,
    url,
    headers,
    body,
    origin,
  }: ManagedRequest): Promise<ManagedAnswer> => {
    const [near, far] = duplexPair();
    this.#origins.set(far, origin);
    this.#server.emit('connection', far);
    const length = { 'content-length': String(body.length), connection: 'close' };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = httpRequest({
        createConnection: () => near,
        method,
        path: url,
        headers: { ...headers, ...(body.length > 0 ? length : { connection: 'close' }) },
      });
      sent.once('response', resolve).once('error', reject).end(body);
    });
    const { connection: _connection, 'keep-alive': _keepAlive, ...fields } = response.headersDistinct;
    const answered = Object.entries(fields).flatMap(([name, values = []]) => [[name, values] as const]);
    return {
      status: response.statusCode ?? 500,
      headers: Object.fromEntries(answered),
      body: await buffer(response),
    };
  };

  /** @throws TypeError for a request that did not come through `answer` */
  originOf({ socket }: IncomingMessage): RequestOrigin {
    const origin = this.#origins.get(socket);
    if (origin === undefined) throw new TypeError('the request came another way');
    return origin;
  }
}
