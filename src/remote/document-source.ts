import { OpenBankingError } from '../errors.ts';
import { CircuitBreaker, type CircuitBreakerOptions } from './circuit-breaker.ts';
import { Outbound, type OutboundOptions, type OutboundRequest } from './outbound.ts';

export interface DocumentSourceOptions
  extends CircuitBreakerOptions,
    Pick<OutboundOptions, 'timeoutSeconds' | 'maxBytes' | 'allowHttp' | 'proxy'> {
  /** `host` or `host:port` that may have addresses of this machine or of private networks. Default: none. */
  readonly privateHosts?: readonly string[];
}

/** Fetches documents whose addresses others have chosen, such as CRLs and OCSP answers. */
export class DocumentSource {
  readonly #public: Outbound;
  readonly #private: Outbound;
  readonly #privateHosts: readonly string[];
  readonly #breaker: CircuitBreaker;

  constructor(options: DocumentSourceOptions) {
    const { timeoutSeconds, maxBytes, allowHttp = false, proxy, privateHosts = [] } = options;
    const common = { timeoutSeconds, maxBytes, allowHttp, proxy };
    this.#public = new Outbound(common);
    this.#private = new Outbound({ ...common, allowPrivateAddresses: true });
    this.#privateHosts = privateHosts;
    this.#breaker = new CircuitBreaker(options);
  }

  /**
   * Fetches a document. Connections and failures are counted by address: an address that hangs or fails takes
   * nothing from the others of its host; `path` is appended to the address and shares them.
   *
   * @throws ERR_OUTBOUND_REFUSED; ERR_OUTBOUND_FAILED also for a fault of the server (5xx); ERR_OUTBOUND_ANSWER for
   * every other status but 200
   */
  fetch(url: string, request: OutboundRequest = {}, path = ''): Promise<Buffer> {
    const client = isListed(url, this.#privateHosts) ? this.#private : this.#public;
    return this.#breaker.run(url, async () => {
      const { status, body } = await client.fetchBytes(url + path, { ...request, pool: url });
      if (status === 200) return body;
      const host = URL.parse(url)?.host ?? '';
      const details = { host, problem: `the answer has status ${status}`, status };
      throw new OpenBankingError(status >= 500 ? 'ERR_OUTBOUND_FAILED' : 'ERR_OUTBOUND_ANSWER', details);
    });
  }

  /** Cuts off the requests that are under way. */
  async close(): Promise<void> {
    await Promise.all([this.#public.close(), this.#private.close()]);
  }
}

/** Whether a list of `host` and `host:port` names the host of a URL. */
export function isListed(text: string, hosts: readonly string[]): boolean {
  const url = URL.parse(text);
  if (url === null) return false;
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return hosts.some((host) => host === url.hostname || host === `${url.hostname}:${port}`);
}
