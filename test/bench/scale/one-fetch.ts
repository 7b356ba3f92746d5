import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathsOf } from '../../../src/sandbox/folder.ts';
import { revokeInSandbox } from '../../../src/sandbox/revocation/revoke.ts';
import { snippet } from '../../docs/pages.ts';
import { type Bank, openBank } from '../../durability/bank.ts';
import { Tpp } from '../../durability/tpp.ts';
import { adapted } from '../../mutual-tls/proxies/documented-snippet.ts';
import { type Contender, startOwn } from '../tokens/contenders.ts';
import { type NginxCache, startNginxCache } from './nginx-cache.ts';

const SERVERS = 3;
/** How often a server asks for the lists that it uses, and how long nginx keeps one. */
const REFRESH_SECONDS = 2;
const CACHED_SECONDS = 6;
/** nginx counts whole seconds, and a server looks each second what is due. */
const GRAIN_SECONDS = 2;
const TPP = 'money-two';

/**
 * Three servers that fetch the CRLs of one site through the mirror of docs/scale.md: what reaches the CA, and how long
 * a revocation takes to all servers. Words: seconds.
 */
export async function measure([seconds = '36']: readonly string[]): Promise<void> {
  const bank = await openBank();
  const origin = await countingOrigin(new URL(bank.description.revocationUrl).origin);
  const mirror = await startNginxCache(join(bank.folder, 'crl-mirror'), (port) =>
    adapted(snippet('docs/scale.md', 'nginx as the mirror of CRLs'), {
      '/var/cache/nginx': join(bank.folder, 'crl-mirror'),
      'listen 8081': `listen 127.0.0.1:${port}`,
      'crl.ca-one.example': `127.0.0.1:${origin.port}`,
      '/qwac-ca.crl;': '/issuing-ca.crl;',
      ' 200 4m;': ` 200 ${CACHED_SECONDS}s;`,
    }),
  );
  const servers: Contender[] = [];
  for (let at = 0; at < SERVERS; at += 1)
    servers.push(
      await startOwn(bank, `site ${at}`, { ...mirrored(bank, mirror.port), storage: storageOf(at) }),
    );
  const tpp = new Tpp(bank, TPP);
  const answers = () => Promise.all(servers.map((to) => tpp.clientCredentials(to)));
  if ((await answers()).some(({ status }) => status !== 200)) throw new Error('a server refuses the TPP');

  const before = { origin: origin.count(), mirror: await asked(mirror) };
  await sleep(Number(seconds) * 1000);
  const [atOrigin, atMirror] = [origin.count() - before.origin, (await asked(mirror)) - before.mirror];
  const [from, at] = [performance.now(), new Date()];
  await revokeInSandbox(bank.folder, {
    ...{ target: { tpp: TPP }, at, reason: 'cessationOfOperation', isUndone: false },
  });
  while ((await answers()).some(({ status }) => status === 200)) await sleep(50);
  const until = (performance.now() - from) / 1000;

  const lists = 2;
  const most = (each: number) => ((Number(seconds) / each) * lists).toFixed(0);
  console.log(
    [
      `| ${SERVERS} servers, ${lists} lists, ${seconds} s | model | measured |\n|---|---|---|`,
      `| the servers ask, each list every ${REFRESH_SECONDS} s | ${SERVERS} × ${most(REFRESH_SECONDS)} | ${atMirror} |`,
      `| the CA is asked, each list every ${CACHED_SECONDS} s | ${most(CACHED_SECONDS)} | ${atOrigin} |`,
      `| a revoked certificate is refused at all servers | ≤ ${REFRESH_SECONDS + CACHED_SECONDS + GRAIN_SECONDS} s | ${until.toFixed(1)} s |`,
    ].join('\n'),
  );
  for (const { child } of servers) child.kill('SIGKILL');
  tpp.close();
  await mirror.close();
  await origin.close();
  await bank.close();
}

/** The settings of docs/scale.md for both CAs of a sandbox. */
function mirrored(bank: Bank, port: number): object {
  const paths = pathsOf(bank.folder);
  const host = `127.0.0.1:${port}`;
  const { trust } = bank.configuration({ front: 0, mtls: 0, health: 0 }) as {
    readonly trust: readonly { readonly revocation: object }[];
  };
  const issuers = [
    { certificateFile: paths.issuingCa, crlUrls: [`http://${host}/ca-one.crl`] },
    { certificateFile: paths.root, crlUrls: [`http://${host}/ca-one-root.crl`] },
  ];
  const own = { mode: 'crl-first', refreshSeconds: REFRESH_SECONDS, hosts: [host], issuers };
  return {
    trust: trust.map((one) => ({ ...one, revocation: { ...one.revocation, ...own } })),
    revocation: { privateHosts: [host], coolDownSeconds: 1 },
  };
}

function storageOf(at: number): object {
  return { file: `site-${at}.sqlite`, secretFile: 'bank.secret' };
}

/** The distribution points of the CAs, which count their readers. */
async function countingOrigin(behind: string) {
  let count = 0;
  const server = createServer((request, response) => {
    count += 1;
    fetch(`${behind}${request.url}`)
      .then(async (answer) => response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer())))
      .catch(() => response.writeHead(502).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    count: () => count,
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function asked(mirror: NginxCache): Promise<number> {
  return (await mirror.statuses()).values().reduce((sum, count) => sum + count, 0);
}
