import { hash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { decodeProtectedHeader } from 'jose';
import { openBank } from '../../durability/bank.ts';
import { claimsOf } from '../../durability/tpp.ts';
import { compare, type Flow, tableOf } from '../flows/compare.ts';
import {
  type Contender,
  childrenOf,
  pin,
  startBare,
  startGenerator,
  startOwn,
  tppOf,
} from '../tokens/contenders.ts';
import { KEYCLOAK_TOKEN_PATH, startKeycloak } from './keycloak.ts';

/*
 * client_credentials as JWTs under ES256, bound to the client's certificate, over mTLS on 16 kept connections: ours with
 * every check on beside Keycloak from its published distribution, and beside bare oidc-provider, in turns. Every
 * server has one core. Words after the name: rounds, seconds, and seconds of warming up, which the JVM needs.
 */
const [, , , rounds = '5', seconds = '3', warmSeconds = '60'] = process.argv;
const [SERVERS, LOAD] = [0, 1];
/** The JVM is loaded for all of the seconds; the others are warm long before. */
const WARM_OPERATIONS = 60_000;

const bank = await openBank();
const generator = startGenerator(bank);
const started: Contender[] = [];
process.once('exit', () => {
  for (const { child } of started) child.kill('SIGKILL');
});
const keycloak = await startKeycloak(bank).catch((error: Error) => {
  console.log(`without Keycloak: ${error.message}`);
  return undefined;
});
if (keycloak !== undefined) started.push(keycloak);
const own = await startOwn(bank, 'ours, SQLite, jwt', { accessToken: { format: 'jwt' } });
const bare = await startBare(bank, 'jwt');
started.push(own, bare);
for (const { child } of started) pin(SERVERS, child.pid);
pin(LOAD, process.pid, generator.pid);

// Its scopes are others.
const plain = `grant_type=client_credentials&client_id=${tppOf(bank).clients.tls_client_auth.client_id}`;
const burstOf = (to: Contender) => (to === keycloak ? { path: KEYCLOAK_TOKEN_PATH, body: plain } : {});
for (const one of started) await assertComparable(one);
const beside = (reference: Contender): Flow => ({
  ...{ name: `ours (reference: ${reference.name})`, reference, own },
  prepare: async (to) => (time) => generator.burst(to, time, burstOf(to)),
});
const times = { rounds: Number(rounds), seconds: Number(seconds), warmOperations: WARM_OPERATIONS };
const comparisons = [await compare(beside(bare), { ...times, warmSeconds: Number(warmSeconds) / 3 })];
if (keycloak !== undefined)
  comparisons.push(await compare(beside(keycloak), { ...times, warmSeconds: Number(warmSeconds) }));
console.log(tableOf(comparisons));
for (const one of started) console.log(`${one.name}: ${residentMegabytes(one)} MB resident`);
console.log(`load average ${loadavg()[0]?.toFixed(1)}`);
generator.close();
for (const { child } of started) child.kill('SIGKILL');
await bank.close();
process.exit();

/** @throws Error when a token is not a JWT under ES256 that is bound to the certificate of its client (RFC 8705 §3.1) */
async function assertComparable(to: Contender): Promise<void> {
  const { answers } = await generator.burst(to, 0.01, {
    ...{ connections: 1, keepsAnswers: true },
    ...burstOf(to),
  });
  const { access_token: token } = JSON.parse(answers[0] ?? '{}') as { readonly access_token?: string };
  const { raw: der } = new X509Certificate(readFileSync(tppOf(bank).certificateFile));
  const { cnf } = claimsOf(token ?? '') as { readonly cnf?: Readonly<Record<string, string>> };
  const { alg } = decodeProtectedHeader(token ?? '');
  const isBound = cnf?.['x5t#S256'] === hash('sha256', der, 'base64url');
  if (alg !== 'ES256' || !isBound)
    throw new Error(`${to.name} gives other tokens: ${alg}, ${JSON.stringify(cnf)}`);
}

/** Of a server and the processes that it has started. */
function residentMegabytes({ child }: Contender): number {
  const pids = [child.pid ?? 0, ...childrenOf(child.pid ?? 0)];
  const kilobytes = pids.map((pid) =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0),
  );
  return Math.round(kilobytes.reduce((sum, one) => sum + one, 0) / 1024);
}
