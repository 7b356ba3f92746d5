import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { createConnectionLimits } from '../mutual-tls/limits/connection-limits.ts';
import { requestLimits } from '../mutual-tls/limits/request-limits.ts';
import type { BoundAddress } from './listener-probe.ts';
import { isLoopback } from './loopback.ts';
import { SingleFlight } from '../remote/single-flight.ts';

/** One thing that the health depends on. The texts are fixed, or error codes, never texts of another system. */
export interface HealthPart {
  readonly name: string;
  readonly problem?: string | undefined;
  /** For an operator; a part with a notice is in order all the same. */
  readonly notice?: string | undefined;
}

export interface Readiness {
  /** Whether enough parts are in order to serve. */
  readonly isReady: boolean;
  readonly parts: readonly HealthPart[];
}

type Phase = 'starting' | 'started' | 'stopping';

const HEALTH_PATH = /^\/health\//;
const READY_MILLISECONDS = 500;
/** More than balancers and probes of a cluster need. */
const CONNECTIONS = { inAll: 256, perAddress: 64 };
const KEEP_ALIVE_SECONDS = 5;

/**
 * The health of this program in plain HTTP, for probes and load balancers, whatever Host they name:
 * `/health/started`, `/health/ready` and `/health/live`, 200 or 503, each with its parts and their problems.
 */
export class HealthServer {
  readonly #ready: () => Promise<Readiness>;
  readonly #server: Server;
  readonly #asking = new SingleFlight<Readiness>();
  #phase: Phase = 'starting';
  #isLocal = false;
  #last: (Readiness & { readonly at: number }) | undefined;

  /**
   * `ready` is asked at most twice a second, however many ask this server. `beside` answers the other paths, while the
   * address is of loopback.
   */
  constructor(ready: () => Promise<Readiness>, beside?: RequestListener) {
    this.#ready = ready;
    // A probe of HTTP/1.0 names no host.
    const limits = { ...requestLimits(KEEP_ALIVE_SECONDS), requireHostHeader: false };
    this.#server = createServer(limits, (request, response) => {
      if (beside === undefined || !this.#isLocal || isHealthPath(request.url))
        void this.answer(request, response);
      else beside(request, response);
    });
    createConnectionLimits(CONNECTIONS).limit(this.#server, 'health');
  }

  /** Binds the port (0 = any free one) and returns the bound one. */
  async listen({ host, port }: BoundAddress): Promise<number> {
    this.#server.listen({ host, port });
    await once(this.#server, 'listening');
    const bound = this.#server.address() as AddressInfo;
    this.#isLocal = isLoopback(bound.address);
    return bound.port;
  }

  /** The start is complete. */
  started(): void {
    this.#phase = 'started';
  }

  /** From now on not ready. */
  stopping(): void {
    this.#phase = 'stopping';
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Answers a request of any listener. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    const isAsking = request.method === 'GET' || request.method === 'HEAD';
    const found = isAsking ? await this.#find(request.url?.split('?')[0]) : undefined;
    const status = found === undefined ? 404 : found.isReady ? 200 : 503;
    const parts = found?.parts.map(({ name, problem, notice }) => ({
      part: name,
      status: problem === undefined ? 'ok' : 'unavailable',
      ...(problem === undefined ? {} : { problem }),
      ...(notice === undefined ? {} : { notice }),
    }));
    const summary = status === 200 ? 'ok' : status === 404 ? 'not found' : 'unavailable';
    const body = `${JSON.stringify({ status: summary, ...(parts === undefined ? {} : { parts }) })}\n`;
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      ...(status === 503 ? { 'retry-after': '1' } : {}),
    });
    response.end(body);
  }

  async #find(path = ''): Promise<Readiness | undefined> {
    const hasStarted = this.#phase !== 'starting';
    if (path === '/health/live') return { isReady: true, parts: [{ name: 'process' }] };
    if (path === '/health/started') return ofProcess(hasStarted ? undefined : this.#phase);
    if (path !== '/health/ready') return undefined;
    if (!hasStarted) return ofProcess(this.#phase);
    const { isReady, parts } = await this.#readiness();
    // A stop may have begun while the parts were asked.
    const process = ofProcess(this.#phase === 'started' ? undefined : this.#phase);
    return { isReady: isReady && process.isReady, parts: [...process.parts, ...parts] };
  }

  async #readiness(): Promise<Readiness> {
    if (this.#last !== undefined && performance.now() - this.#last.at < READY_MILLISECONDS) return this.#last;
    return this.#asking.run(async () => {
      const readiness = await this.#ready();
      this.#last = { ...readiness, at: performance.now() };
      return readiness;
    });
  }
}

/** Ready when every part is in order. */
export function readinessOf(...groups: readonly (readonly HealthPart[])[]): Readiness {
  const parts = groups.flat();
  return { isReady: parts.every(({ problem }) => problem === undefined), parts };
}

/** Whether a request is for the health. */
export function isHealthPath(url = ''): boolean {
  return HEALTH_PATH.test(url);
}

function ofProcess(problem: string | undefined): Readiness {
  return { isReady: problem === undefined, parts: [{ name: 'process', problem }] };
}
