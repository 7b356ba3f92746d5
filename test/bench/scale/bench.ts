import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../../src/sandbox/ports.ts';
import { openBank } from '../../durability/bank.ts';
import { cpuSecondsOf, startGenerator, startOwn } from '../tokens/contenders.ts';

/*
 * Status lists through nginx as a cache: so many APIs, each of which reads a list once a second, and what reaches the
 * authorization server. Words after the name: the numbers of APIs, with commas, and the seconds of each.
 */
const [, , , counts = '10,100,1000,10000', seconds = '8'] = process.argv;
const TICK_MILLISECONDS = 10;
const SOCKETS = 64;
/** The workers of nginx would otherwise be of a user who may not write here. */
const isRoot = process.getuid?.() === 0;

const bank = await openBank();
const server = await startOwn(bank, 'scale', { accessToken: { format: 'jwt' } });
const generator = startGenerator(bank);
// The first JWT opens the list.
await generator.burst(server, 0.2);
generator.close();
const host = new URL(bank.description.issuer).host;
const port = await freePort();
const folder = join(bank.folder, 'nginx');
mkdirSync(folder);
writeFileSync(
  join(folder, 'nginx.conf'),
  `${isRoot ? 'user root; ' : ''}daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; worker_processes 1; worker_rlimit_nofile 4096;
events { worker_connections 2048; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  proxy_cache_path ${folder}/cache keys_zone=lists:1m;
  server {
    listen 127.0.0.1:${port};
    location /status-lists/ {
      proxy_pass https://127.0.0.1:${server.ports.front};
      proxy_set_header Host ${host};
      proxy_cache lists;
      proxy_ignore_headers Cache-Control;
      proxy_cache_valid 200 1s;
      proxy_cache_lock on;
      proxy_cache_use_stale updating;
      proxy_cache_revalidate on;
      add_header X-Cache $upstream_cache_status always;
    }
  }
}
`,
);
const nginx = spawn('nginx', ['-c', join(folder, 'nginx.conf'), '-p', folder], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });

interface Read {
  readonly status: number;
  readonly cache: string;
  readonly etag: string | undefined;
}

function read(etag: string | undefined): Promise<Read> {
  return new Promise((resolve, reject) => {
    const headers = etag === undefined ? {} : { 'if-none-match': etag };
    const outgoing = request(
      { agent, port, host: '127.0.0.1', path: '/status-lists/0', headers },
      (answer) => {
        answer.resume();
        const { etag: next, 'x-cache': cache } = answer.headers;
        answer.once('end', () =>
          resolve({ status: answer.statusCode ?? 0, cache: String(cache), etag: next }),
        );
      },
    );
    outgoing.once('error', reject);
    outgoing.end();
  });
}

while ((await read(undefined).catch(() => undefined))?.status !== 200) await sleep(100);

console.log(
  '| APIs | reads/s | from the cache | reached the server, each second | its CPU |\n|---|---|---|---|---|',
);
for (const count of counts.split(',').map(Number)) {
  const statuses = new Map<string, number>();
  let etag: string | undefined;
  let sent = 0;
  let open = 0;
  const cpu = cpuSecondsOf(server);
  const startedAt = performance.now();
  const elapsed = () => (performance.now() - startedAt) / 1000;
  const one = async () => {
    open += 1;
    const answer = await read(etag);
    open -= 1;
    if (answer.status !== 200 && answer.status !== 304) throw new Error(`status ${answer.status}`);
    etag = answer.etag ?? etag;
    statuses.set(answer.cache, (statuses.get(answer.cache) ?? 0) + 1);
  };
  while (elapsed() < Number(seconds)) {
    const due = Math.floor(elapsed() * count);
    // Never more at once than a second of them.
    for (; sent < due && open < count; sent += 1) void one();
    await sleep(TICK_MILLISECONDS);
  }
  while (open > 0) await sleep(TICK_MILLISECONDS);
  const total = [...statuses.values()].reduce((sum, each) => sum + each, 0);
  const spared = (statuses.get('HIT') ?? 0) + (statuses.get('UPDATING') ?? 0);
  const perSecond = (value: number) => (value / elapsed()).toFixed(1);
  const used = ((cpuSecondsOf(server) - cpu) / elapsed()) * 100;
  console.log(
    `| ${count} | ${perSecond(total)} | ${((spared / total) * 100).toFixed(2)} % | ${perSecond(total - spared)} | ${used.toFixed(1)} % of a core |`,
  );
}
agent.destroy();
nginx.kill();
server.child.kill('SIGKILL');
await bank.close();
process.exit();
