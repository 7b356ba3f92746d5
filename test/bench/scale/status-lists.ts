import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { snippet } from '../../docs/pages.ts';
import { type Bank, openBank } from '../../durability/bank.ts';
import { claimsOf, Tpp } from '../../durability/tpp.ts';
import { adapted } from '../../mutual-tls/proxies/documented-snippet.ts';
import { type Contender, cpuSecondsOf, startOwn } from '../tokens/contenders.ts';
import { ListReaders, type StatusIndex } from './list-readers.ts';
import { type NginxCache, startNginxCache } from './nginx-cache.ts';

/** Parts of the time after which a JWT is revoked. */
const REVOCATIONS = [0.2, 0.6];
/** nginx keeps a list for one second and counts whole ones; an API reads once a second. */
const MODEL = { staleSeconds: 2 + 1, perSecond: 1 } as const;
/** Answers of nginx for which it has asked the server; for all others it has not. */
const REACHED = ['MISS', 'EXPIRED', 'REVALIDATED', 'BYPASS', 'STALE'];

/**
 * Status lists through nginx as a cache: so many APIs, each of which reads a list once a second on one of a few kept
 * connections, what reaches the server, and when the last API has read of a revocation. Words: the numbers of APIs, with
 * commas, and the seconds of each.
 */
export async function measure([
  counts = '10,100,1000,10000',
  seconds = '12',
]: readonly string[]): Promise<void> {
  const bank = await openBank();
  const server = await startOwn(bank, 'scale', { accessToken: { format: 'jwt' } });
  const tpp = new Tpp(bank);
  // The first JWT opens the list.
  const { path } = await revocable(tpp, server);
  const cache = await startNginxCache(join(bank.folder, 'list-cache'), (port) =>
    adapted(snippet('docs/scale.md', 'nginx as a cache of status lists'), {
      '/var/cache/nginx': join(bank.folder, 'list-cache'),
      'listen 443 ssl': `listen 127.0.0.1:${port}`,
      'https://tallystick.bank.internal:8443': `https://127.0.0.1:${server.ports.front}`,
    }),
  );
  const host = hostOf(bank);
  console.log(
    '| APIs | reads/s | late (p99) | from the cache: model, measured | reach the server each second: model, measured | CPU of the server | all APIs know a revocation: model, measured |\n|---|---|---|---|---|---|---|',
  );
  for (const count of counts.split(',').map(Number))
    console.log(await row({ count, seconds: Number(seconds), cache, server, tpp, path, host }));
  server.child.kill('SIGKILL');
  tpp.close();
  await cache.close();
  await bank.close();
}

function hostOf({ description }: Bank): string {
  return new URL(description.issuer).host;
}

interface Run {
  readonly count: number;
  readonly seconds: number;
  readonly cache: NginxCache;
  readonly server: Contender;
  readonly tpp: Tpp;
  readonly path: string;
  readonly host: string;
}

async function row({ count, seconds, cache, server, tpp, path, host }: Run): Promise<string> {
  const readers = new ListReaders({ count, path, host, port: cache.port });
  await readers.open();
  const [before, cpu, from] = [await cache.statuses(), cpuSecondsOf(server), performance.now()];
  const reading = readers.read(seconds);
  const stale: number[] = [];
  for (const part of REVOCATIONS) {
    const { token, status } = await revocable(tpp, server);
    await sleep(Math.max(0, part * seconds * 1000 - (performance.now() - from)));
    readers.watch(status);
    const answer = await tpp.revoke(server, token);
    if (answer.status !== 200) throw new Error(`not revoked: ${answer.text}`);
    readers.mark();
    stale.push(await readers.allKnow());
  }
  const { late } = await reading;
  const elapsed = (performance.now() - from) / 1000;
  const used = ((cpuSecondsOf(server) - cpu) / elapsed) * 100;
  readers.close();
  const after = await cache.statuses();
  const made = [...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const);
  const total = made.reduce((sum, [, value]) => sum + value, 0);
  const reached = made.reduce((sum, [name, value]) => (REACHED.includes(name) ? sum + value : sum), 0);
  const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
  const cells = [
    count.toLocaleString('en'),
    (total / elapsed).toFixed(0),
    `${late.toFixed(0)} ms`,
    `≥ ${percent(1 - MODEL.perSecond / (total / elapsed))}, ${percent(1 - reached / total)}`,
    `≤ ${MODEL.perSecond}, ${(reached / elapsed).toFixed(2)}`,
    `${used.toFixed(1)} % of a core`,
    `≤ ${MODEL.staleSeconds} s, ${(Math.max(...stale) / 1000).toFixed(1)} s`,
  ];
  return `| ${cells.join(' | ')} |`;
}

/** A JWT, and where its status is. */
async function revocable(
  tpp: Tpp,
  server: Contender,
): Promise<{ readonly token: string; readonly status: StatusIndex; readonly path: string }> {
  const { json, text } = await tpp.clientCredentials(server);
  if (typeof json.access_token !== 'string') throw new Error(`no token: ${text}`);
  const { status } = claimsOf(json.access_token) as {
    readonly status: { readonly status_list: StatusIndex };
  };
  const { status_list: found } = status;
  return { token: json.access_token, status: found, path: new URL(found.uri).pathname };
}
