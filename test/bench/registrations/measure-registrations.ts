import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Bank } from '../../durability/bank.ts';
import { median, startBare } from '../tokens/contenders.ts';
import { baseOf, type Send, type Started, startServer, tallyText } from './contenders.ts';
import type { BenchTpp } from './many-tpps.ts';
import { openStatements, type Statements } from './statements.ts';

export interface RegistrationBench {
  readonly bank: Bank;
  readonly tpps: readonly BenchTpp[];
  readonly load: { readonly send: Send };
  readonly rounds: number;
  readonly seconds: number;
  readonly flags: readonly string[];
}

interface Contender {
  readonly name: string;
  readonly server: Pick<Started, 'port' | 'child'>;
  readonly order: () => Promise<Parameters<Send>[1]>;
}

const AT_ONCE = 16;
const QUOTAS = { clients: 1000, requestsPerHour: 100_000 };
/** Signed before each round, as many for each TPP. */
const SIGNED = 15;
const ORDER = { path: '/register', expected: '201', atOnce: AT_ONCE } as const;

/** Registrations a second; the contenders take turns in each round. */
export async function measureRegistrations(bench: RegistrationBench): Promise<void> {
  const statements = await openStatements(bench.bank);
  const started = [await certificateServer(bench), await ukServer(bench, statements), await bare(bench)];
  const all = started.map((one) => ({ ...one, rates: [] as number[], costs: [] as number[] }));
  for (let round = 0; round <= bench.rounds; round += 1) {
    for (const { name, server, order, rates, costs } of all) {
      const tally = await bench.load.send(server, await order());
      // The first round warms up.
      if (round > 0) {
        rates.push(tally.count / tally.seconds);
        costs.push((tally.cpuSeconds / tally.count) * 1000);
      }
      console.log(`${name}: ${tallyText(tally)}`);
    }
  }
  for (const { name, rates, costs, server } of all) {
    console.log(
      `${name}: median ${median(rates).toFixed(0)} a second, ${median(costs).toFixed(2)} ms of CPU each`,
    );
    server.child.kill('SIGTERM');
  }
  statements.close();
}

async function certificateServer({ bank, tpps, seconds, flags }: RegistrationBench): Promise<Contender> {
  const server = await startServer(bank, 'certificate', {
    flags,
    registration: { profiles: [{ profile: 'certificate' }], quotas: QUOTAS },
  });
  const lines = tpps.map((tpp) => ({ ...tpp, bodies: [JSON.stringify(metadataOf(tpp))] }));
  const order = async () => ({ ...ORDER, contentType: 'application/json', lines, seconds });
  return { name: 'certificate', server, order };
}

async function ukServer(
  { bank, tpps, flags }: RegistrationBench,
  statements: Statements,
): Promise<Contender> {
  const directory = { jwksUri: statements.jwksUri };
  const profile = { profile: 'uk-obie', directory, clientProfile: 'fapi2-security' };
  const server = await startServer(bank, 'uk-obie', {
    flags,
    clientKeys: { ...baseOf(bank).clientKeys, maxAgeSeconds: 300 },
    registration: { profiles: [profile], quotas: QUOTAS },
  });
  const order = async () => {
    const lines = [];
    for (const tpp of tpps) lines.push({ ...tpp, bodies: await statements.requests(tpp, SIGNED) });
    return { ...ORDER, contentType: 'application/jwt', lines, seconds: 60, isOnce: true };
  };
  return { name: 'uk-obie', server, order };
}

async function bare({ bank, tpps, seconds }: RegistrationBench): Promise<Contender> {
  const server = await startBare(bank, 'jwt', { registers: true });
  const lines = tpps.map((tpp) => {
    const subject = new X509Certificate(readFileSync(tpp.certificateFile)).subject;
    const body = {
      ...metadataOf(tpp),
      ...{ grant_types: ['authorization_code', 'client_credentials'], tls_client_auth_subject_dn: subject },
    };
    return { ...tpp, bodies: [JSON.stringify(body)] };
  });
  const order = async () => ({
    ...ORDER,
    path: '/register',
    contentType: 'application/json',
    lines,
    seconds,
  });
  return { name: 'bare oidc-provider, memory', server, order };
}

function metadataOf({ plan }: BenchTpp): Readonly<Record<string, unknown>> {
  return {
    redirect_uris: [`https://app.${plan.name}.tpp.example/callback`],
    grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
    token_endpoint_auth_method: 'tls_client_auth',
    scope: 'accounts',
  };
}
