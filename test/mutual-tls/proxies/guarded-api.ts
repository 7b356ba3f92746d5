import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parse, stringify } from 'yaml';
import type { IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';
import { freePort } from '../../free-port.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  serveOverTls,
  type TestIssuer,
} from '../../resource-server/issuer.ts';
import { type RawAnswer, rawExchange, rawRequest } from '../raw-exchange.ts';
import { adapted, documentedSnippet } from './documented-snippet.ts';
import { startProxy } from './real-proxy.ts';
import { thumbprintOf } from '../thumbprint.ts';

export type GuardName = 'nginx' | 'envoy';

const MAIN = new URL('../../../src/cli/main.ts', import.meta.url).pathname;
const HOST = 'Host: api.bank.example';

/** What the API behind got. */
export interface Reached {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Call {
  readonly certificate?: IssuedCertificate | undefined;
  readonly token?: string;
  readonly fields?: readonly string[];
  readonly method?: string;
  readonly body?: string;
  /** Default: Bearer. */
  readonly scheme?: 'DPoP';
}

/** An API in any language behind a real proxy and a real gateway, both with the documented lines. */
export interface GuardedApi {
  readonly certificates: Awaited<ReturnType<typeof createTestCertificates>>;
  tokenFor(certificate: IssuedCertificate, claims?: Record<string, unknown>): Promise<string>;
  /** The issuer of the tokens. It has the status list 0 only. */
  readonly issuerUrl: string;
  /** With a right token unless another is given. */
  call(target: string, options?: Call): Promise<RawAnswer & { readonly reached: readonly Reached[] }>;
  /** What the gateway has refused, as it logs it: a little later. */
  readonly refused: readonly { readonly method: string; readonly route: string }[];
  /** Answers with its exit code. */
  stopGateway(): Promise<number | null>;
  close(): Promise<void>;
}

export async function startGuardedApi(name: GuardName): Promise<GuardedApi> {
  const [issuer, certificates] = await Promise.all([createTestIssuer(), createTestCertificates()]);
  const caPem = certificates.authority.certificatePem;
  const authority = await startAuthority(issuer, certificates);
  const reached: Reached[] = [];
  const api = await startApi(reached);
  const gatewayPort = await freePort();
  const proxy = await startProxy(name, {
    tls: { ...certificates.server, caPem },
    apiPort: (api.address() as AddressInfo).port,
    ...(name === 'nginx' ? { snippet: 'nginx with the gateway' } : {}),
    change: (text) => withGateway[name](text, gatewayPort),
  });
  const gateway = await startGateway(name, {
    folder: proxy.folder,
    port: gatewayPort,
    issuer: authority.url,
  });
  const tokenFor = (certificate: IssuedCertificate, claims: Record<string, unknown> = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const status = { status_list: { idx: 7, uri: `${authority.url}/status-lists/0` } };
    const dates = { iat: now, exp: now + 600 };
    return issuer.token(thumbprintOf(certificate.der), {
      claims: { iss: authority.url, status, ...dates, ...claims },
    });
  };
  const right = await tokenFor(certificates.one);
  return {
    certificates,
    issuerUrl: authority.url,
    tokenFor,
    refused: gateway.refused,
    call: async (target, options = {}) => {
      const { certificate, token = right, fields = [], method, body = '', scheme = 'Bearer' } = options;
      reached.length = 0;
      const length = body === '' ? [] : [`Content-Length: ${body.length}`];
      const all = [HOST, `Authorization: ${scheme} ${token}`, ...length, ...fields];
      const bytes = rawRequest(target, all, method) + body;
      const answer = await rawExchange(bytes, { port: proxy.port, caPem, certificate });
      return { ...answer, reached: [...reached] };
    },
    stopGateway: () => gateway.stop(),
    close: async () => {
      await gateway.stop();
      await proxy.close();
      await authority.close();
      await new Promise((resolve) => api.close(resolve));
    },
  };
}

const withGateway: Readonly<Record<GuardName, (text: string, port: number) => string>> = {
  nginx: (text, port) => adapted(text, { '127.0.0.1:4000': `127.0.0.1:${port}` }),
  envoy: (text, port) => {
    const more = parse(
      adapted(documentedSnippet('Envoy with the gateway'), {
        'port_value: 4000': `port_value: ${port}`,
        '127.0.0.1:4000': `127.0.0.1:${port}`,
      }),
    );
    const config = parse(text);
    const manager = config.static_resources.listeners[0].filter_chains[0].filters[0].typed_config;
    manager.http_filters.unshift(...more.http_filters);
    Object.assign(manager.route_config, more.route_config);
    config.static_resources.clusters.push(...more.clusters);
    return stringify(config);
  },
};

function startAuthority(issuer: TestIssuer, certificates: GuardedApi['certificates']) {
  const answer = async (url: string | undefined, base: string): Promise<string> => {
    if (url === '/jwks') return JSON.stringify(issuer.jwks);
    const now = Math.floor(Date.now() / 1000);
    return issuer.statusList([], { iss: base, sub: `${base}/status-lists/0`, iat: now, exp: now + 60 });
  };
  return serveOverTls((request, response) => {
    void answer(request.url, `https://${request.headers.host}`).then((text) => response.end(text));
  }, certificates);
}

async function startApi(reached: Reached[]): Promise<Server> {
  const api = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request;
    const body = Buffer.concat(await request.toArray()).toString();
    reached.push({ method, url, headers, body });
    response.writeHead(url === '/accounts/broken' ? 500 : 200, { 'x-fapi-interaction-id': 'of the API' });
    response.end('from the API');
  });
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  return api;
}

async function startGateway(
  name: GuardName,
  { folder, port, issuer }: { readonly folder: string; readonly port: number; readonly issuer: string },
) {
  const file = join(folder, 'gateway.yaml');
  const config = adapted(documentedSnippet('gateway.yaml'), {
    'port: 4000': `port: ${port}`,
    'https://as.bank.example': `${issuer}\ncaFile: tpp-cas.pem`,
    'https://api.bank.example': AUDIENCE,
    'proxy: nginx # or envoy': `proxy: ${name}`,
    'format: nginx': `format: ${name}`,
  });
  await writeFile(file, config);
  const child = spawn(process.execPath, [MAIN, 'gateway', '--config', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const started = new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
  const refused: { readonly method: string; readonly route: string }[] = [];
  createInterface(child.stdout).on('line', (line) => {
    const { method, route } = JSON.parse(line);
    if (method !== undefined) refused.push({ method, route });
  });
  await Promise.race([
    started,
    ended.then((code) => {
      throw new Error(`the gateway ended with ${code}`);
    }),
  ]);
  return {
    refused,
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}
