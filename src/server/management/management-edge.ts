import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { PROBLEM_TYPE, problemOf } from '../../authorization-server/operations/problem.ts';
import { MAX_BODY_BYTES } from '../../authorization-server/operations/request-parts.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { ManagedAnswer, ManagementEndpoint, RequestOrigin } from '../../management/managed-request.ts';
import type { ManagementCallers } from '../../management/operators/management-callers.ts';
import { mayDo } from '../../management/operators/operator.ts';
import { peerAddress } from '../../mutual-tls/client-certificate.ts';
import { type HealthServer, isHealthPath } from '../health.ts';
import { METRICS_CONTENT_TYPE } from '../metrics/metrics.ts';
import { namesLoopback } from '../loopback.ts';

export interface ManagementEdgeOptions {
  /** Undefined while no process serves. */
  readonly endpoint: () => ManagementEndpoint | undefined;
  /** The text of `/metrics`; absent where there is none. */
  readonly metrics?: (() => Promise<string>) | undefined;
  readonly log: Log;
}

/** The facts of the listener with certificates. */
interface TlsListenerFacts {
  readonly callers: ManagementCallers;
  /** Where browsers find it. */
  readonly url: string;
  readonly health: Pick<HealthServer, 'answer'>;
}

/** A request that may go on. */
interface Admitted {
  readonly origin: RequestOrigin;
  readonly maySeeMetrics: boolean;
  /** Where this listener serves the health too. */
  readonly health?: Pick<HealthServer, 'answer'>;
}

const METRICS_PATH = '/metrics';

/** The process that owns the ports: reads requests to the management API, and passes them on whole. */
export class ManagementEdge {
  readonly #options: ManagementEdgeOptions;

  constructor(options: ManagementEdgeOptions) {
    this.#options = options;
  }

  /** A request to the loopback listener. */
  readonly answerLoopback = (request: IncomingMessage, response: ServerResponse): void => {
    const { host = '' } = request.headers;
    const origin = {
      listener: 'loopback',
      url: `http://${host}`,
      address: peerAddress(request.socket),
    } as const;
    void this.#answer(request, response, () => {
      if (!namesLoopback(host)) {
        throw new OpenBankingError('ERR_HTTP_MISDIRECTED', {
          host,
          expected: 'a name or address of loopback',
        });
      }
      return { origin, maySeeMetrics: true };
    });
  };

  /** The handler of the listener with certificates, which has checked the host. */
  answersTls({ callers, url, health }: TlsListenerFacts): RequestListener {
    return (request, response) => {
      void this.#answer(request, response, () => admitted(request, { callers, url, health }));
    };
  }

  async #answer(request: IncomingMessage, response: ServerResponse, admit: () => Admitted): Promise<void> {
    // A connection that has ended has no address.
    const address = peerAddress(request.socket);
    try {
      const { origin, maySeeMetrics, health } = admit();
      if (health !== undefined && isHealthPath(request.url)) {
        await health.answer(request, response);
        return;
      }
      const { metrics } = this.#options;
      if (asksForMetrics(request) && metrics !== undefined) {
        if (!maySeeMetrics) throw new OpenBankingError('ERR_MANAGEMENT_UNKNOWN', {});
        request.resume();
        send(response, textAnswer(await metrics()));
      } else send(response, await this.#passOn(request, origin));
    } catch (error) {
      this.#refuse(request, response, { address, error });
    }
  }

  async #passOn(request: IncomingMessage, origin: RequestOrigin): Promise<ManagedAnswer> {
    const body = await boundedBody(request);
    const endpoint = this.#options.endpoint();
    if (endpoint === undefined) {
      throw new OpenBankingError('ERR_SERVER_NOT_READY', { reason: 'no process serves' });
    }
    const headers = Object.fromEntries(
      Object.entries(request.headers).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, String(value)]],
      ),
    );
    // The body is passed on whole.
    delete headers['transfer-encoding'];
    return endpoint({ method: request.method ?? 'GET', url: request.url ?? '/', headers, body, origin });
  }

  #refuse(
    request: IncomingMessage,
    response: ServerResponse,
    { address, error }: { readonly address: string; readonly error: unknown },
  ): void {
    request.resume();
    const refusal = isRefusal(error) ? error : undefined;
    const { status, headers, body } = problemOf(refusal, '');
    const fields = { method: request.method ?? '', status, address, error };
    this.#options.log.emit(refusal === undefined ? 'server.unexpected' : 'management.refused', fields);
    const { requestId: _none, ...shown } = body;
    send(response, {
      status,
      headers: { ...headers, 'content-type': PROBLEM_TYPE, 'cache-control': 'no-store', connection: 'close' },
      body: Buffer.from(JSON.stringify(shown)),
    });
  }
}

/**
 * Whether a request reads the metrics. Prometheus finds pods by their addresses, and names one as the host: on the listener with
 * certificates that is answered, since the certificate proves the caller and no browser accepts ours for another name.
 */
export function asksForMetrics({ method, url }: IncomingMessage): boolean {
  return (method === 'GET' || method === 'HEAD') && url?.split('?')[0] === METRICS_PATH;
}

/** @throws ERR_CERT_MISSING, ERR_MANAGEMENT_UNKNOWN for a certificate of another CA */
function admitted(request: IncomingMessage, { callers, url, health }: TlsListenerFacts): Admitted {
  const operator = callers.identify(request);
  const address = peerAddress(request.socket);
  const maySeeMetrics = operator !== undefined && mayDo(operator, 'view');
  return { origin: { listener: 'management', url, address, operator }, maySeeMetrics, health };
}

/** @throws ERR_HTTP_TOO_LARGE */
async function boundedBody(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  // The connection stays, for the answer.
  const received = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const piece of received) {
    length += piece.length;
    if (length > MAX_BODY_BYTES)
      throw new OpenBankingError('ERR_HTTP_TOO_LARGE', { maximum: MAX_BODY_BYTES });
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function send(response: ServerResponse, { status, headers, body }: ManagedAnswer): void {
  if (response.destroyed) return;
  for (const [name, value] of Object.entries(headers)) {
    response.setHeader(name, typeof value === 'string' ? value : [...value]);
  }
  response.setHeader('content-length', body.length);
  response.writeHead(status).end(body);
}

function textAnswer(text: string): ManagedAnswer {
  const headers = { 'content-type': METRICS_CONTENT_TYPE, 'cache-control': 'no-store' };
  return { status: 200, headers, body: Buffer.from(text) };
}
