import type { IncomingMessage, ServerResponse } from 'node:http';
import { namesLoopback } from '../loopback.ts';
import { METRICS_CONTENT_TYPE, type Metrics } from './metrics.ts';

/** `/metrics` beside the health of a process that has no management: for callers of this machine. */
export class LoopbackMetrics {
  readonly #metrics: Pick<Metrics, 'text'>;

  constructor(metrics: Pick<Metrics, 'text'>) {
    this.#metrics = metrics;
  }

  /** Answers a request that came to an address of loopback. */
  readonly answer = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume();
    void this.#answer(request, response);
  };

  async #answer({ method, url, headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    // A page of another site can have its own name resolve to loopback.
    if (!namesLoopback(headers.host ?? '')) send(response, 421, 'the host is no name of loopback\n');
    else if (url?.split('?')[0] !== '/metrics') send(response, 404, 'not found\n');
    else if (method !== 'GET' && method !== 'HEAD') send(response, 405, 'only GET\n', { allow: 'GET, HEAD' });
    else send(response, 200, await this.#metrics.text(), { 'content-type': METRICS_CONTENT_TYPE });
  }
}

function send(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const plain = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
  response.writeHead(status, { ...plain, 'content-length': Buffer.byteLength(text), ...headers });
  response.end(text);
}
