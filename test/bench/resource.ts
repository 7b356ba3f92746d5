import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { createAuthorizer } from '../../src/resource-server/index.ts';
import { AUDIENCE, createTestCertificates, createTestIssuer, ISSUER } from '../resource-server/issuer.ts';
import { type BenchMaterial, FRAMEWORKS, GUARDS, type Guard, PEER } from './resource/server.ts';

/*
 * What the protection of an API costs: a JSON endpoint of a plain API over mutual TLS, of node:https and of each framework,
 * alone, with a middleware that does nothing, with one that sets the two headers of every answer, and protected; each in
 * a process of its own on one core, in the same rounds, with the load on the other core; the first sight of a token
 * beside jose; the memory of 100,000 tokens. Words after the name: rounds, and one framework, which leaves the rest out.
 */
const [, , , rounds = '25', only] = process.argv;
const CONNECTIONS = 16;
/** Many and short: each is compared with its neighbours, while the machine is as fast as it is at that moment. */
const ROUNDS = Number(rounds);
const ROUND_MILLISECONDS = 400;
const WARM_MILLISECONDS = 3000;
const TOKENS = 100_000;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');
const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const seconds = () => Math.floor(Date.now() / 1000);

const issuer = await createTestIssuer();
const certificates = await createTestCertificates();
const der = Buffer.from(certificates.one.der);
const certificate = {
  der,
  thumbprint: createHash('sha256').update(der).digest('base64url'),
  certificate: new X509Certificate(der),
};
const life = () => ({ iat: seconds(), exp: seconds() + 3600 });
const statusList = await issuer.statusList([], life());
const makeToken = (at: number) =>
  issuer.token(certificate.thumbprint, { claims: { jti: `token-${at}`, ...life() } });

await overTheWire();
if (only === undefined) await inProcess();

/** One server in a process of its own. */
interface Measured {
  readonly name: string;
  /** The name of the server that it is held against. */
  readonly beside: string;
  readonly child: ChildProcess;
  readonly port: number;
  readonly rounds: RoundResult[];
}

async function overTheWire(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-bench-'));
  const file = join(folder, 'material.json');
  const material: BenchMaterial = {
    issuer: ISSUER,
    audience: AUDIENCE,
    serverPem: certificates.server.certificatePem,
    serverKeyPem: certificates.server.privateKeyPem,
    clientCaPem: certificates.authority.certificatePem,
    jwks: issuer.jwks as BenchMaterial['jwks'],
    statusList,
  };
  writeFileSync(file, JSON.stringify(material), { mode: 0o600 });
  const start = async (framework: string, guard: Guard, beside: string): Promise<Measured> => {
    const words = [file, framework, guard];
    const child = fork(fileURLToPath(new URL('./resource/server.ts', import.meta.url)), words);
    const [port] = (await once(child, 'message')) as [number];
    pin(child.pid ?? 0, 0);
    const name = guard === 'plain' ? framework : `${framework}, ${guard}`;
    return { name, beside, child, port, rounds: [] };
  };
  pin(process.pid, 1);
  const tokens = await Promise.all(Array.from({ length: CONNECTIONS }, (_, at) => makeToken(at)));
  const wanted = FRAMEWORKS.filter((name) => only === undefined || name === only);
  const servers: Measured[] = [];
  for (const name of wanted) {
    const guards = GUARDS.filter((guard) => name !== 'node' || guard !== 'empty');
    for (const guard of guards) servers.push(await start(name, guard, name));
    if (name === 'express') servers.push(await start(PEER, 'plain', name));
  }
  for (const { port } of servers) await loadFor(port, tokens, WARM_MILLISECONDS);
  for (let round = 0; round < ROUNDS; round += 1) {
    // Each round begins with another one, so that none always runs first.
    const first = round % servers.length;
    for (const { port, child, rounds } of [...servers.slice(first), ...servers.slice(0, first)]) {
      const before = await cpuOf(child);
      const requests = await loadFor(port, tokens, ROUND_MILLISECONDS);
      const cpu = (await cpuOf(child)) - before;
      rounds.push({ requests, cpuMicroseconds: cpu / requests });
    }
  }
  report(servers);
  for (const { child } of servers) child.disconnect();
  rmSync(folder, { recursive: true });
}

interface RoundResult {
  readonly requests: number;
  readonly cpuMicroseconds: number;
}

/** Medians, and of the CPU the least too: other processes only add to a round's figure. */
function report(servers: readonly Measured[]): void {
  const heads = ['API', 'requests/s', 'CPU µs (least)', 'of plain', 'CPU more, µs', 'of the least'];
  console.log(`| ${heads.join(' | ')} |\n|${' --- |'.repeat(heads.length)}`);
  for (const { name, beside, rounds } of servers) {
    const base = servers.find((one) => one.name === beside)?.rounds ?? [];
    const paired = (take: (one: RoundResult, other: RoundResult) => number) =>
      median(rounds.flatMap((one, at) => (base[at] === undefined ? [] : [take(one, base[at])])));
    const least = (of: readonly RoundResult[]) => Math.min(...of.map((one) => one.cpuMicroseconds));
    const requests = median(rounds.map((one) => one.requests)) / (ROUND_MILLISECONDS / 1000);
    const cpu = median(rounds.map((one) => one.cpuMicroseconds));
    const ratio = paired((one, other) => one.requests / other.requests);
    const added = paired((one, other) => one.cpuMicroseconds - other.cpuMicroseconds);
    const differences = [ratio.toFixed(3), added.toFixed(1), (least(rounds) - least(base)).toFixed(1)];
    const cells = [name, Math.round(requests), `${cpu.toFixed(1)} (${least(rounds).toFixed(1)})`];
    console.log(`| ${[...cells, ...(name === beside ? ['', '', ''] : differences)].join(' | ')} |`);
  }
}

function pin(pid: number, core: number): void {
  execFileSync('taskset', ['-apc', String(core), String(pid)], { stdio: 'ignore' });
}

async function cpuOf(server: ChildProcess): Promise<number> {
  server.send('cpu');
  const [{ user, system }] = (await once(server, 'message')) as [NodeJS.CpuUsage];
  return user + system;
}

/**
 * Requests answered with 200 within the time, over connections that are kept; throws at any other answer. The load never
 * sleeps: the kernel charges the wake-up of a sleeping peer to the write of the server, and the load sleeps the more the
 * slower the server is, so a server that needs 1 µs more would show 2 to 3 µs.
 */
async function loadFor(port: number, tokens: readonly string[], milliseconds: number): Promise<number> {
  const sockets = await Promise.all(tokens.map(() => connection(port)));
  let answered = 0;
  let isOver = false;
  const ended = sockets.map(
    (socket, at) =>
      new Promise<void>((resolve, reject) => {
        const request = Buffer.from(
          `GET /accounts HTTP/1.1\r\nHost: localhost:${port}\r\nAuthorization: Bearer ${tokens[at]}\r\n` +
            'Accept: application/json\r\nx-fapi-interaction-id: 6e0c3b0e-0d1c-4c0a-8a53-0d7a9d1f0b11\r\n\r\n',
        );
        let pending = '';
        socket.on('data', (chunk: Buffer) => {
          pending += chunk.toString('latin1');
          const head = pending.indexOf('\r\n\r\n');
          if (head < 0) return;
          if (!pending.startsWith('HTTP/1.1 200')) reject(new Error(pending));
          const length = Number(/content-length: (\d+)/i.exec(pending)?.[1]);
          if (pending.length < head + 4 + length) return;
          pending = '';
          answered += 1;
          if (isOver) resolve();
          else socket.write(request);
        });
        socket.write(request);
      }),
  );
  const stayAwake = () => {
    if (!isOver) setImmediate(stayAwake);
  };
  stayAwake();
  await Promise.race([sleep(milliseconds), Promise.all(ended)]);
  const count = answered;
  isOver = true;
  await Promise.all(ended);
  for (const socket of sockets) socket.destroy();
  return count;
}

async function connection(port: number): Promise<TLSSocket> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: certificates.authority.certificatePem,
    cert: certificates.one.certificatePem,
    key: certificates.one.privateKeyPem,
    ALPNProtocols: ['http/1.1'],
  });
  await once(socket, 'secureConnect');
  socket.setNoDelay(true);
  return socket;
}

async function inProcess(): Promise<void> {
  const authorizer = createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    // The loops below leave no turn to the timer that keeps the list fresh.
    status: { maxAgeSeconds: 3600 },
    fetchDocument: async (url) =>
      Buffer.from(url.endsWith('/jwks') ? JSON.stringify(issuer.jwks) : statusList),
  });
  const tokens = await Promise.all(Array.from({ length: 4096 }, (_, at) => makeToken(at)));
  const needs = { scopes: ['accounts'] };
  const factsOf = (token: string) => ({
    method: 'GET',
    url: '/accounts',
    // A new string for every request, as the parser of node:http makes it.
    rawHeaders: [
      'Host',
      'api',
      'Authorization',
      Buffer.from(`Bearer ${token}`).toString('latin1'),
      'Accept',
      '*/*',
    ],
    certificate,
  });
  await firstSight(authorizer, tokens);
  nanosecondsOf('a request object alone', (at) => void factsOf(tokens[at & 1] ?? ''), 200_000);
  const [one = ''] = tokens;
  nanosecondsOf('the same token again', () => warm(authorizer.authorizeNow(factsOf(one), needs)), 200_000);
  nanosecondsOf(
    '1,024 tokens in turn',
    (at) => warm(authorizer.authorizeNow(factsOf(tokens[at & 1023] ?? ''), needs)),
    200_000,
  );
  await memory();
  await authorizer.close();
}

function warm(authorization: unknown): void {
  if (authorization === undefined) throw new Error('the decision was not warm');
}

function nanosecondsOf(name: string, run: (at: number) => void, times: number): void {
  const rounds = Array.from({ length: 9 }, () => {
    const before = process.hrtime.bigint();
    for (let at = 0; at < times; at += 1) run(at);
    return Number(process.hrtime.bigint() - before) / times;
  });
  console.log(`${name}: ${Math.round(median(rounds))} ns`);
}

/** Verification beside jose alone, in turns on the same tokens. */
async function firstSight(
  authorizer: ReturnType<typeof createAuthorizer>,
  tokens: readonly string[],
): Promise<void> {
  const keys = createLocalJWKSet(issuer.jwks);
  const ratios: number[] = [];
  const both: [number, number][] = [];
  for (let round = 0; round < 32; round += 1) {
    const some = tokens.slice(round * 128, round * 128 + 128);
    const ours = async () => {
      for (const token of some) {
        const rawHeaders = ['Authorization', `Bearer ${token}`];
        await authorizer.authorize({ method: 'GET', url: '/', rawHeaders, certificate }, { scopes: [] });
      }
    };
    const theirs = async () => {
      for (const token of some)
        await jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE, typ: 'at+jwt' });
    };
    const [first, second] = round % 2 === 0 ? [ours, theirs] : [theirs, ours];
    const [a, b] = [await microsecondsOf(first), await microsecondsOf(second)];
    const [own, jose] = round % 2 === 0 ? [a, b] : [b, a];
    // The first rounds compile.
    if (round < 4) continue;
    ratios.push(own / jose);
    both.push([own / 128, jose / 128]);
  }
  const [own, jose] = [median(both.map(([one]) => one)), median(both.map(([, other]) => other))];
  console.log(
    `first sight of a token: ${own.toFixed(0)} us of CPU, jose alone ${jose.toFixed(0)} us, ratio ${median(ratios).toFixed(3)}`,
  );
}

/** CPU of all threads: jose verifies on the thread pool. */
async function microsecondsOf(run: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

async function memory(): Promise<void> {
  const authorizer = createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.jwks,
    status: false,
  });
  const held = () => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = held();
  let length = 0;
  for (let at = 0; at < TOKENS; at += 1000) {
    await Promise.all(
      Array.from({ length: 1000 }, async (_, more) => {
        const token = await makeToken(at + more);
        length = token.length;
        const rawHeaders = ['Authorization', Buffer.from(`Bearer ${token}`).toString('latin1')];
        await authorizer.authorize({ method: 'GET', url: '/', rawHeaders, certificate }, { scopes: [] });
      }),
    );
  }
  const bytes = held() - before;
  console.log(
    `${TOKENS} live tokens of ${length} characters: ${(bytes / 2 ** 20).toFixed(0)} MB, ` +
      `${Math.round(bytes / TOKENS)} bytes each`,
  );
  await authorizer.close();
}
