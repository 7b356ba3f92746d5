import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { openBank } from '../durability/bank.ts';
import {
  type Contender,
  cpuSecondsOf,
  median,
  startBare,
  startGenerator,
  startOwn,
} from './tokens/contenders.ts';
import type { Burst } from './tokens/generator.ts';

/*
 * Introspection over mTLS on 16 kept connections, of a live token in a durable store: by the TPP of the token, beside
 * bare oidc-provider with its in-memory adapter, and by an API with a certificate of the bank's own CA. The rows take
 * turns in each round; a ratio compares two that ran one after the other. Words after the name: rounds and seconds.
 */
const [, , , rounds = '7', seconds = '2'] = process.argv;
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SIGNED = 'application/token-introspection+jwt';
const bank = await openBank();
const tpp = bank.description.tpps.find(({ name }) => name === 'money-one');
if (tpp === undefined) throw new Error('no TPP');
const clientId = tpp.clients.tls_client_auth.client_id;
const inFolder = (name: string, content: string): string => {
  const file = join(bank.folder, name);
  writeFileSync(file, content);
  return file;
};

const period = { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + 86_400_000) };
const authority = await createAuthority({ name: 'Bank Internal CA', ...period });
const api = await authority.issue({
  profile: 'server',
  subject: { commonName: 'accounts-api' },
  keyType: 'ec-p256',
  deviation: { extendedKeyUsage: [CLIENT_AUTH] },
  ...period,
});
const ofApi = {
  certificateFile: inFolder('api.pem', api.certificatePem),
  keyFile: inFolder('api.key', api.privateKeyPem),
};
const resourceServers = [
  {
    client_id: 'accounts-api',
    resource: bank.description.resourceUrl,
    anchorsFile: inFolder('bank-ca.pem', authority.certificatePem),
    tls_client_auth_subject_dn: 'CN=accounts-api',
  },
];

async function tokenOf({ port, host }: Contender): Promise<string> {
  const sent = request({
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    method: 'POST',
    path: '/token',
    headers: { host, 'content-type': 'application/x-www-form-urlencoded' },
    ca: readFileSync(bank.description.caFile),
    cert: readFileSync(tpp?.certificateFile ?? ''),
    key: readFileSync(tpp?.keyFile ?? ''),
  });
  sent.end(`grant_type=client_credentials&scope=accounts&client_id=${clientId}`);
  const answer = await new Promise<string>((resolve, reject) => {
    sent.on('response', (response) => resolve(text(response)));
    sent.on('error', reject);
  });
  return String(JSON.parse(answer).access_token);
}

interface Row {
  readonly name: string;
  readonly to: Contender;
  readonly burst: Partial<Burst>;
}

const started: Contender[] = [];
process.on('exit', () => {
  for (const { child } of started) child.kill('SIGKILL');
});
const bare = await startBare(bank, 'opaque');
const opaque = await startOwn(bank, 'opaque', { accessToken: { format: 'opaque' }, resourceServers });
const jwt = await startOwn(bank, 'jwt', {
  accessToken: { format: 'jwt' },
  resourceServers,
  storage: { file: 'jwt.sqlite', secretFile: 'bank.secret' },
});
started.push(bare, opaque, jwt);
const rowOf = async (name: string, to: Contender, as: string, more: Partial<Burst> = {}): Promise<Row> => {
  const body = `token=${await tokenOf(to)}&client_id=${as}`;
  return { name, to, burst: { path: '/introspect', body, ...more } };
};
const rows = [
  await rowOf('bare, by the TPP', bare, clientId),
  await rowOf('ours, by the TPP', opaque, clientId),
  await rowOf('ours, opaque, by an API', opaque, 'accounts-api', ofApi),
  await rowOf('ours, opaque, by an API, signed', opaque, 'accounts-api', {
    ...ofApi,
    headers: { accept: SIGNED },
  }),
  await rowOf('ours, JWT, by an API', jwt, 'accounts-api', ofApi),
];

const generator = startGenerator(bank);
const rates = rows.map((): number[] => []);
const costs = rows.map((): number[] => []);
for (const { to, burst } of rows) await generator.burst(to, 3, burst);
for (let round = 0; round < Number(rounds); round += 1) {
  for (const [at, { name, to, burst }] of rows.entries()) {
    const before = cpuSecondsOf(to);
    const tally = await generator.burst(to, Number(seconds), burst);
    if (tally.errors > 0 || tally.count === 0) throw new Error(`${name}: ${tally.errors} errors`);
    rates[at]?.push(tally.count / tally.seconds);
    costs[at]?.push(((cpuSecondsOf(to) - before) / tally.count) * 1e6);
  }
}
const ratio = (of: readonly number[] = [], to: readonly number[] = []) =>
  median(of.map((value, at) => value / (to[at] ?? Number.NaN))).toFixed(2);
for (const [at, { name }] of rows.entries()) {
  const cost = median(costs[at] ?? []);
  console.log(
    `${name}: ${Math.round(median(rates[at] ?? []))}/s, ${Math.round(cost)} us of CPU each ` +
      `(${Math.round(1e6 / cost)}/s a core), ${ratio(rates[at], rates[0])} x bare, ${ratio(costs[at], costs[0])} x its CPU`,
  );
}
generator.close();
await bank.close();
process.exit();
