import { fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { Measured } from './files/reader.ts';

/*
 * What long lists cost a process that serves: time until a start has read them, memory of a record, and the delay of the event loop
 * while a changed copy is read and comes into use. A process that reads nothing is measured in the same seconds.
 * Word after the name: how many rounds.
 */
const TPPS = 50_000;
const CLIENTS = 100_000;
const [, , , rounds = '3'] = process.argv;
const READER = fileURLToPath(new URL('./files/reader.ts', import.meta.url));
const GC = { execArgv: ['--expose-gc'] };
const folder = mkdtempSync(join(tmpdir(), 'tallystick-bench-files-'));
const keys = Array.from({ length: 50 }, () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
);

const tpps = Array.from({ length: TPPS }, (_, at) => ({
  authorizationNumber: `PSDGB-FCA-${100_000 + at}`,
  legalName: `Third Party Provider ${at} Ltd`,
  tradingName: `Provider ${at}`,
  nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' },
  country: 'GB',
  roles: ['PSP_AI', 'PSP_PI'],
  passportedCountries: ['IE', 'FR', 'DE'],
  status: 'active',
  statusSince: '2026-01-31',
}));
// Every other one has a key.
const clients = Array.from({ length: CLIENTS }, (_, at) => ({
  client_id: `client-${at}`,
  client_name: `Client ${at}`,
  authorization_number: `PSDGB-FCA-${100_000 + (at % TPPS)}`,
  ...(at % 2 === 0
    ? { token_endpoint_auth_method: 'tls_client_auth' }
    : {
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ ...keys[at % keys.length], kid: `key-${at}`, alg: 'ES256', use: 'sig' }] },
      }),
  redirect_uris: [`https://tpp-${at}.example/callback`],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  scope: 'openid accounts payments',
}));

/** Writes a list and its later copy, in which the last record has gone. */
function writeLists(
  name: string,
  list: string,
  records: readonly object[],
  toText: (value: object) => string,
) {
  writeFileSync(join(folder, name), toText({ [list]: records }));
  writeFileSync(join(folder, `${name}.next`), toText({ [list]: records.slice(0, -1) }));
}
writeLists('tpps.json', 'tpps', tpps, (value) => JSON.stringify(value));
writeLists('clients.json', 'clients', clients, (value) => JSON.stringify(value));
writeLists('tpps.yaml', 'tpps', tpps, (value) => stringify(value, { aliasDuplicateObjects: false }));

const CASES: readonly [title: string, files: object][] = [
  [`${TPPS} TPPs and ${CLIENTS} clients, JSON`, { registry: 'tpps.json', clients: 'clients.json' }],
  [`${TPPS} TPPs, YAML`, { registry: 'tpps.yaml' }],
];
for (const [title, files] of CASES) {
  for (let round = 1; round <= Number(rounds); round += 1) {
    const [read, idle] = [
      fork(READER, [folder, JSON.stringify(files)], GC),
      fork(READER, [folder, '{}'], GC),
    ];
    const measured = await answerOf(read);
    idle.send('end');
    console.log(`${title}, ${round}: ${textOf(measured)}; idle beside it: ${delaysOf(await answerOf(idle))}`);
  }
}
rmSync(folder, { recursive: true });

function answerOf(child: ReturnType<typeof fork>): Promise<Measured> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as Measured));
    child.once('exit', (code) => reject(new Error(`the reader ended with code ${code}`)));
  });
}

function textOf(one: Measured): string {
  const { startSeconds, startCpuSeconds, bytesPerRecord, peakMegabytes, changeSeconds } = one;
  return [
    `start ${startSeconds.toFixed(2)} s (CPU ${startCpuSeconds.toFixed(2)} s)`,
    `${bytesPerRecord.toFixed(0)} bytes a record, ${peakMegabytes.toFixed(0)} MB at most`,
    `change in ${changeSeconds.toFixed(2)} s with ${delaysOf(one)}`,
  ].join(', ');
}

function delaysOf({ delay, busySeconds }: Measured): string {
  return `delay p99 ${delay.p99.toFixed(1)} ms, max ${delay.max.toFixed(1)} ms, thread busy ${busySeconds.toFixed(2)} s`;
}
