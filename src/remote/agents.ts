import { Agent as HttpAgent, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent, type AgentOptions as HttpsAgentOptions } from 'node:https';
import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isProxied, type ProxySettings } from './proxy.ts';

export interface ConnectionOptions extends Pick<HttpsAgentOptions, 'ca' | 'cert' | 'key'> {
  /** Resolves the names of hosts that are reached without the proxy. */
  readonly lookup: LookupFunction;
  readonly proxy?: ProxySettings | undefined;
}

/** Shorter than Node's own servers keep an idle connection (5 s), so that none is reused while its server closes it. */
const IDLE_SECONDS = 4;
/** Of one pool of one host. */
const MAX_CONNECTIONS_PER_POOL = 16;
/** Of all hosts: with one pool for each address of a host, one that hangs takes nothing from the others. */
const MAX_CONNECTIONS = 256;

/** The part of a connection's name that separates pools; the option of the same name of a request. */
function poolOf(options: object | undefined): string {
  return options !== undefined && 'pool' in options ? `:${String(options.pool)}` : '';
}

class PooledHttpAgent extends HttpAgent {
  override getName(options?: Parameters<HttpAgent['getName']>[0]): string {
    return super.getName(options) + poolOf(options);
  }
}

class PooledHttpsAgent extends HttpsAgent {
  override getName(options?: HttpsAgentOptions): string {
    return super.getName(options) + poolOf(options);
  }
}

interface AgentPair {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

/** The connections of one client, direct and through a proxy. */
export class Agents {
  readonly #proxy: ProxySettings | undefined;
  readonly #direct: AgentPair;
  readonly #proxied: AgentPair | undefined;

  constructor({ lookup, proxy, ...tls }: ConnectionOptions) {
    const common: AgentOptions = {
      keepAlive: true,
      timeout: IDLE_SECONDS * 1000,
      maxSockets: MAX_CONNECTIONS_PER_POOL,
      maxTotalSockets: MAX_CONNECTIONS,
    };
    this.#proxy = proxy;
    this.#direct = pairOf({ ...common, lookup }, tls);
    // The proxy resolves the names; its own address is the operator's and may be private.
    const proxyEnv = proxy && { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, NO_PROXY: '' };
    this.#proxied =
      proxy && pairOf({ ...common, proxyEnv, lookup: lookupOf(new URL(proxy.url).hostname) }, tls);
  }

  agentFor(url: URL): HttpAgent | HttpsAgent {
    const isThroughProxy = this.#proxy !== undefined && isProxied(url, this.#proxy);
    const { http, https } = (isThroughProxy ? this.#proxied : undefined) ?? this.#direct;
    return url.protocol === 'https:' ? https : http;
  }

  destroy(): void {
    for (const pair of [this.#direct, this.#proxied]) {
      pair?.http.destroy();
      pair?.https.destroy();
    }
  }
}

/** Resolves the proxy alone: agents without proxies (Node before 24.5) must not reach the host directly instead. */
function lookupOf(proxyHost: string): LookupFunction {
  return (host, options, callback) => {
    if (host === proxyHost) lookup(host, options, callback);
    else callback(new Error('this release of Node does not know proxies'), '');
  };
}

function pairOf(common: AgentOptions, tls: HttpsAgentOptions): AgentPair {
  return { http: new PooledHttpAgent(common), https: new PooledHttpsAgent({ ...common, ...tls }) };
}
