import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProxy } from '../../mutual-tls/proxies/real-proxy.ts';
import { thumbprintOf } from '../../mutual-tls/thumbprint.ts';
import { createTestCertificates } from '../../resource-server/issuer.ts';
import type { Contender } from '../tokens/contenders.ts';
import type { Burst } from '../tokens/generator.ts';

/** An API behind nginx with the client's certificate, and the same with `auth_request` to the gateway before it. */
export interface BehindNginx {
  readonly alone: Contender;
  readonly guarded: Contender;
  /** A request that both answer with 200. */
  readonly burst: Omit<Burst, 'port' | 'host' | 'seconds'>;
  close(): Promise<void>;
}

/** By the documented lines. The API and the gateway are one process; its work is in the CPU of both. */
export async function openBehindNginx(folder: string): Promise<BehindNginx> {
  const certificates = await createTestCertificates();
  const { one, authority } = certificates;
  const servers = fork(fileURLToPath(new URL('./servers.ts', import.meta.url)), [thumbprintOf(one.der)], {
    execArgv: [],
  });
  const [ports] = (await once(servers, 'message')) as [{ api: number; gateway: number; token: string }];
  const tls = { ...certificates.server, caPem: authority.certificatePem };
  // nginx ends a connection after 1000 requests, unless it is told otherwise.
  const kept = (text: string) => text.replace('server {', 'server {\n  keepalive_requests 100000000;');
  const alone = await startProxy('nginx', { tls, apiPort: ports.api, change: kept });
  const guarded = await startProxy('nginx', {
    tls,
    apiPort: ports.api,
    snippet: 'nginx with the gateway',
    change: (text) => kept(text.replaceAll('127.0.0.1:4000', `127.0.0.1:${ports.gateway}`)),
  });
  const contender = (name: string, { port, child }: typeof alone): Contender => ({
    ...{ name, port, child, host: 'localhost' },
    ports: { front: port, mtls: port, health: 0 },
    besides: servers.pid === undefined ? [] : [servers.pid],
  });
  const inFolder = (name: string, content: string): string => {
    const file = join(folder, name);
    writeFileSync(file, content);
    return file;
  };
  return {
    alone: contender('nginx alone', alone),
    guarded: contender('nginx with the gateway', guarded),
    burst: {
      ...{ method: 'GET', path: '/accounts', body: '', connections: 16 },
      headers: { authorization: `Bearer ${ports.token}` },
      caFile: inFolder('gateway-ca.pem', authority.certificatePem),
      certificateFile: inFolder('gateway-client.pem', one.certificatePem),
      keyFile: inFolder('gateway-client.key', one.privateKeyPem),
    },
    close: async () => {
      await Promise.all([alone.close(), guarded.close()]);
      servers.disconnect();
    },
  };
}
