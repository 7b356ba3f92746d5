import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { pathsOf } from '../../src/sandbox/folder.ts';
import { freePort } from '../free-port.ts';
import type { ApiOptions } from '../resource-server/decision/api-child.ts';
import { createCaller, createTestBank } from '../resource-server/test-bank.ts';
import { cpuSecondsOf, median } from './tokens/contenders.ts';

// What `status.maxAgeSeconds: 0` costs: an API of its own process asks the authorization server at each request, beside
// one with the default, in turns, by the number of requests at once.
const ROUNDS = 9;
const ROUND_MILLISECONDS = 700;
const AT_ONCE = [1, 16, 64];

const child = (name: string) =>
  fileURLToPath(new URL(`../resource-server/decision/${name}`, import.meta.url));
const ready = async (process: ChildProcess) => {
  await once(process, 'message');
  return process;
};

const bank = await createTestBank({ format: 'jwt' });
const caller = createCaller(bank.description);
const file = join(bank.folder, 'config.json');
writeFileSync(file, JSON.stringify(bank.config));
const server = await ready(fork(child('authorization-server-child.ts'), [file]));
const { issuer, resourceUrl, caFile } = bank.description;
const token = await caller.clientToken('money-one');
const certificate = tppNamed(bank.description, 'money-one');
const tls = {
  ca: readFileSync(caFile),
  cert: readFileSync(certificate.certificateFile),
  key: readFileSync(certificate.keyFile),
};

async function openApi(statusMaxAgeSeconds: number) {
  const url = `https://localhost:${await freePort()}`;
  const own = { ...pathsOf(bank.folder).server, url, statusMaxAgeSeconds };
  const options: ApiOptions = { issuer, resourceUrl, caFile, ...own };
  return { url, child: await ready(fork(child('api-child.ts'), [JSON.stringify(options)])) };
}

type Api = Awaited<ReturnType<typeof openApi>>;

function get(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, headers: { authorization: `Bearer ${token}` } }, (answer) => {
      answer.resume();
      answer.once('end', () =>
        answer.statusCode === 200 ? resolve() : reject(new Error(`${answer.statusCode}`)),
      );
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}

async function load({ url, child: api }: Api, agent: Agent, atOnce: number) {
  const before = [cpuOf(api), cpuOf(server)];
  const end = performance.now() + ROUND_MILLISECONDS;
  let count = 0;
  const caller = async () => {
    while (performance.now() < end) {
      await get(url, agent);
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, caller));
  const [own = 0, issuing = 0] = [cpuOf(api), cpuOf(server)].map(
    (now, at) => ((now - (before[at] ?? 0)) / count) * 1e6,
  );
  return { rate: count / (ROUND_MILLISECONDS / 1000), own, issuing };
}

const cpuOf = (process: ChildProcess) => cpuSecondsOf({ child: process });

const apis = [await openApi(2), await openApi(0)];
for (const atOnce of AT_ONCE) {
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: atOnce });
  for (const api of apis) await load(api, agent, atOnce);
  const rounds = apis.map((): Awaited<ReturnType<typeof load>>[] => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [at, api] of apis.entries()) rounds[at]?.push(await load(api, agent, atOnce));
  }
  const [usual = [], asking = []] = rounds;
  const line = (title: string, all: typeof usual) =>
    `${title} ${Math.round(median(all.map(({ rate }) => rate)))} requests/s, CPU a request ` +
    `${Math.round(median(all.map(({ own }) => own)))} us at the API and ` +
    `${Math.round(median(all.map(({ issuing }) => issuing)))} us at the authorization server`;
  const ratio = median(asking.map(({ rate }, at) => rate / (usual[at]?.rate ?? Number.NaN)));
  console.log(
    `${atOnce} at once: ${line('default', usual)}; ${line('asking at each', asking)}; ratio ${ratio.toFixed(2)}`,
  );
  agent.destroy();
}
for (const process of [server, ...apis.map((api) => api.child)]) process.kill('SIGKILL');
await caller.close();
await bank.remove();
process.exit();
