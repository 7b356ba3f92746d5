import type { AddressInfo } from 'node:net';
import { createServer } from 'node:https';
import type { LogEntry } from '../../conformance/suite.ts';
import { createAuthority, type IssuedCertificate } from '../../src/sandbox/pki/pki.ts';

/** A module of the stub: how it ends, and what it logs. */
export interface StubModule {
  readonly name: string;
  /** Null = it waits for ever. */
  readonly result: string | null;
  readonly log?: readonly LogEntry[];
}

/** A server that speaks the REST shapes of the conformance suite and runs nothing. */
export interface StubSuite {
  readonly url: URL;
  readonly caPem: string;
  /** Every call, as `POST plan`. */
  readonly calls: readonly {
    readonly name: string;
    readonly query: URLSearchParams;
    readonly body: string;
  }[];
  /** The most modules that ran at once. */
  readonly mostAtOnce: () => number;
  close(): Promise<void>;
}

/** Made once: keys take time. */
let made: Promise<{ readonly caPem: string; readonly tls: IssuedCertificate }> | undefined;
const period = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };

async function certificates() {
  const authority = await createAuthority({ name: 'Suite', organization: 'Suite', country: 'GB', ...period });
  const subject = { commonName: 'another name' };
  const tls = await authority.issue({ profile: 'server', subject, hosts: ['suite.example'], ...period });
  return { caPem: authority.certificatePem, tls };
}

/** `failsAt`: a call that is answered with 500. */
export async function startStubSuite(
  modules: readonly StubModule[],
  { failsAt = 'none', token }: { readonly failsAt?: string; readonly token?: string } = {},
): Promise<StubSuite> {
  made ??= certificates();
  const { caPem, tls } = await made;
  const calls: { name: string; query: URLSearchParams; body: string }[] = [];
  const running = new Map<string, { readonly module: StubModule; polls: number }>();
  let [modulesMade, most] = [0, 0];

  const answers: Record<string, (id: string, query: URLSearchParams) => unknown> = {
    'GET server': () => ({ version: '5.2.4', revision: 'abcdef0' }),
    'POST plan': () => ({
      id: 'plan',
      modules: modules.map(({ name }) => ({ testModule: name, variant: {} })),
    }),
    'POST runner': (_id, query) => {
      const module = modules.find(({ name }) => name === query.get('test'));
      if (module === undefined) return undefined;
      const id = `m${++modulesMade}`;
      running.set(id, { module, polls: 0 });
      most = Math.max(most, [...running.values()].filter(({ polls }) => polls < 2).length);
      return { id };
    },
    'GET info': (id) => {
      const one = running.get(id);
      if (one === undefined) return undefined;
      one.polls += 1;
      if (one.polls === 1) return { status: 'CONFIGURED', result: null };
      const { result } = one.module;
      return result === null ? { status: 'WAITING', result } : { status: 'FINISHED', result };
    },
    'POST runner/': (id) => (running.has(id) ? {} : undefined),
    'DELETE runner': (id) => (running.has(id) ? {} : undefined),
    'GET log': (id) => running.get(id)?.module.log ?? [],
  };

  const server = createServer({ cert: tls.certificatePem, key: tls.privateKeyPem }, (request, response) => {
    const url = new URL(request.url ?? '', 'https://suite.example');
    const [kind = '', id = ''] = url.pathname.replace('/api/', '').split('/');
    const name = `${request.method} ${kind}${request.method === 'POST' && id !== '' ? '/' : ''}`;
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      calls.push({ name, query: url.searchParams, body: Buffer.concat(parts).toString() });
      const isKnown = token === undefined || request.headers.authorization === `Bearer ${token}`;
      const answer = answers[name]?.(id, url.searchParams);
      const status = isKnown ? (name === failsAt ? 500 : answer === undefined ? 404 : 200) : 401;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(status === 200 ? JSON.stringify(answer) : 'no certification profile allows it');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: new URL(`https://localhost:${(server.address() as AddressInfo).port}`),
    caPem,
    calls,
    mostAtOnce: () => most,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
