import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CertificateFiles } from '../../src/sandbox/folder.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { Tpp } from '../durability/tpp.ts';

/*
 * How many of our files and functions a request enters, by V8's precise coverage: what a reader must follow. Everything
 * runs in this process and is warm. Files that every request enters are counted in each row. `--files` names them.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What plays the TPP, the customer and the bank's core is not part of the way. */
const OUTSIDE = ['src/sandbox/', 'src/cli/'];
const isNamed = process.argv.includes('--files');

const folder = await mkdtemp(join(tmpdir(), 'tallystick-hops-'));
const sandbox = await startSandbox({ folder, ports: { front: 0, mtls: 0, resource: 0, tpp: 0 } });
const { description } = sandbox;
const [front, mtls, resource] = [description.issuer, description.mtlsUrl, description.resourceUrl].map(
  (url) => Number(new URL(url).port),
);
const to = { ports: { front: front ?? 0, mtls: mtls ?? 0, health: 0 } };
const tpp = new Tpp({ description });
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });

interface Flow {
  readonly name: string;
  /** Makes what the measured request needs. */
  readonly prepare?: () => Promise<string[]>;
  readonly run: (prepared: readonly string[]) => Promise<{ readonly status: number }>;
  readonly status: number;
}

const ca = readFileSync(description.caFile);
const broken = description.broken.find(({ name }) => name === 'expired');
const own = description.tpps.find(({ name }) => name === 'money-one');
if (broken === undefined || own === undefined) throw new Error('the sandbox has no such certificate');

function send(
  url: string,
  init: {
    readonly certificate: CertificateFiles;
    readonly method: string;
    readonly headers: object;
    readonly body?: string;
  },
): Promise<{ readonly status: number }> {
  const { certificate, method, headers, body } = init;
  const [cert, key] = [readFileSync(certificate.certificateFile), readFileSync(certificate.keyFile)];
  return new Promise((resolve, reject) => {
    const request = httpsRequest(url, { ca, cert, key, method, headers: { ...headers } }, (response) => {
      response.resume();
      response.once('end', () => resolve({ status: response.statusCode ?? 0 }));
    });
    request.once('error', reject);
    request.end(body);
  });
}

const codeOf = async () => {
  const { code, verifier } = await tpp.code(to);
  return [code, verifier];
};
const tokenOf = async (member: string) => {
  const [code = '', verifier = ''] = await codeOf();
  return [String((await tpp.exchange(to, { code, verifier })).json[member])];
};
const FLOWS: readonly Flow[] = [
  {
    name: 'token (client_credentials)',
    run: () => tpp.post(to, '/token', { grant_type: 'client_credentials', scope: 'accounts' }),
    status: 200,
  },
  {
    name: 'code exchange',
    prepare: codeOf,
    run: ([code = '', verifier = '']) => tpp.exchange(to, { code, verifier }),
    status: 200,
  },
  {
    name: 'refresh',
    prepare: () => tokenOf('refresh_token'),
    run: ([token = '']) => tpp.post(to, '/token', { grant_type: 'refresh_token', refresh_token: token }),
    status: 200,
  },
  {
    name: 'API call, token seen before',
    prepare: async () => {
      const [token = ''] = await tokenOf('access_token');
      await call(token);
      return [token];
    },
    run: ([token = '']) => call(token),
    status: 200,
  },
  {
    name: 'API call, new token',
    prepare: () => tokenOf('access_token'),
    run: ([token = '']) => call(token),
    status: 200,
  },
  {
    name: 'refused certificate (expired)',
    run: () =>
      send(`${description.mtlsUrl}/token`, {
        certificate: broken,
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: `grant_type=client_credentials&scope=accounts&client_id=${tpp.clientId}`,
      }),
    status: 400,
  },
];

function call(token: string) {
  if (own === undefined) throw new Error('no certificate');
  return send(`https://localhost:${resource}/accounts`, {
    certificate: own,
    method: 'GET',
    headers: { authorization: `Bearer ${token}` },
  });
}

/** Names of the functions entered since the last call, by file. */
async function entered(): Promise<Map<string, Set<string>>> {
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const files = new Map<string, Set<string>>();
  for (const { url, functions } of result) {
    const path = url.startsWith('file:') ? relative(ROOT, fileURLToPath(url)) : '';
    if (!/^(src|tpp-registry)\//.test(path) || OUTSIDE.some((name) => path.startsWith(name))) continue;
    for (const { functionName, ranges } of functions) {
      const [range] = ranges;
      if (range === undefined || range.count === 0 || range.startOffset === 0) continue;
      const names = files.get(path) ?? new Set<string>();
      files.set(path, names.add(`${functionName}@${range.startOffset}`));
    }
  }
  return files;
}

for (const { name, prepare, run, status } of FLOWS) {
  const once = async () => {
    const prepared = (await prepare?.()) ?? [];
    await entered();
    const answer = await run(prepared);
    if (answer.status !== status) throw new Error(`${name}: ${answer.status}`);
    return entered();
  };
  // Timers of the server may run beside a request: of several runs the smallest counts.
  let files = await once();
  for (let count = 0; count < 5; count += 1) {
    const other = await once();
    if (other.size <= files.size) files = other;
  }
  const functions = [...files.values()].reduce((sum, names) => sum + names.size, 0);
  console.log(`${name}: ${files.size} files, ${functions} functions`);
  if (isNamed) for (const [path, names] of [...files].sort()) console.log(`  ${path} ${names.size}`);
}

tpp.close();
await sandbox.close();
await rm(folder, { recursive: true, force: true });
process.exit();
