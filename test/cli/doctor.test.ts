import { execFile } from 'node:child_process';
import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { pathsOf } from '../../src/sandbox/folder.ts';
import { freePort } from '../free-port.ts';
import { BANK_MODULE, type Bank, openBank } from '../durability/bank.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

interface Examined {
  readonly code: number;
  readonly stdout: string;
  readonly findings: readonly {
    readonly level: string;
    readonly check: string;
    readonly message: string;
    readonly advice?: string;
  }[];
}

let bank: Bank;
let ports: { readonly front: number; readonly mtls: number; readonly health: number };
beforeAll(async () => {
  bank = await openBank();
  ports = { front: await freePort(), mtls: await freePort(), health: await freePort() };
  writeFileSync(join(bank.folder, 'bank.mjs'), BANK_MODULE);
});
afterAll(() => bank?.close());

async function doctor(
  more: object,
  environment: NodeJS.ProcessEnv = {},
  words = ['--json'],
): Promise<Examined> {
  const config = join(bank.folder, 'doctor.json');
  writeFileSync(config, JSON.stringify(bank.configuration(ports, { aspspModule: 'bank.mjs', ...more })));
  const env = { PATH: process.env.PATH, ...environment };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [MAIN, 'doctor', '--config', config, ...words],
      { env },
      (error, stdout, stderr) => {
        const { findings } = stdout.startsWith('{') ? JSON.parse(stdout) : { findings: [] };
        resolve({ code: Number(error?.code ?? 0), stdout: stdout + stderr, findings });
      },
    );
  });
}

const problemsOf = ({ findings }: Examined) =>
  findings
    .filter(({ level }) => level === 'problem')
    .map(({ check, message, advice }) => `${check}: ${message} → ${advice}`);

describe('tallystick doctor', { timeout: 120_000 }, () => {
  it('finds a whole bank in order, one line each, and changes nothing', async () => {
    const stateOf = () => {
      // The sandbox that made the files may still write its log.
      const names = readdirSync(bank.folder, { recursive: true })
        .map(String)
        .filter((name) => !/\.log$|^doctor\.json$/.test(name))
        .sort();
      return names.map((name) => [
        name,
        name === 'doctor.json' ? 0 : statSync(join(bank.folder, name)).mtimeMs,
      ]);
    };
    const before = stateOf();
    const { code, stdout } = await doctor({}, {}, []);
    expect({ code, stdout }).toMatchObject({ code: 0 });
    const lines = stdout.trim().split('\n');
    expect(lines.every((line) => /^(ok|warning) +[\w-]+: /.test(line))).toBe(true);
    for (const check of ['environment', 'node', 'descriptors', 'module', 'files', 'tls', 'trust', 'ports']) {
      expect(lines.some((line) => line.includes(` ${check}: `))).toBe(true);
    }
    expect(stateOf()).toEqual(before);
  });

  it('finds everything that is wrong at once, with what to do, and ends with 1 (O8)', async () => {
    const other = createServer();
    onTestFinished(() => void other.close());
    await once(other.listen(0, '127.0.0.1'), 'listening');
    const { port } = other.address() as AddressInfo;
    const { keyFile } = pathsOf(bank.folder).server;
    const openKey = join(bank.folder, 'open.key');
    writeFileSync(openKey, 'not a key');
    chmodSync(openKey, 0o644);
    writeFileSync(
      join(bank.folder, 'bad.mjs'),
      'export const createAspsp = () => { throw new Error("no core"); };',
    );
    const examined = await doctor(
      {
        listen: { ...ports, host: '127.0.0.1', front: port },
        tls: { certificateFile: keyFile, privateKeyFile: openKey },
        storage: { file: join(bank.folder, 'nowhere', 'bank.sqlite'), secretFile: 'bank.secret' },
        blockList: { file: 'missing.yaml' },
        aspspModule: 'bad.mjs',
        workers: 64,
      },
      { NODE_TLS_REJECT_UNAUTHORIZED: '0', SSLKEYLOGFILE: '/tmp/keys' },
    );
    expect(examined.code).toBe(1);
    const problems = problemsOf(examined);
    const wanted = [
      /^environment: NODE_TLS_REJECT_UNAUTHORIZED: must not be 0/,
      /^environment: SSLKEYLOGFILE: must not be set/,
      new RegExp(
        `^private-files: tls.privateKeyFile: ${openKey} can be read or changed by every user .*chmod 600`,
      ),
      /^files: storage\.file: .*bank\.sqlite cannot be made → /,
      /^files: blockList\.file: .*missing\.yaml is missing → /,
      /^tls: tls\.certificateFile: is a private key|^tls: tls\.certificateFile: is no PEM/,
      /^module: aspspModule: createAspsp throws/,
      new RegExp(`^ports: listen.front: port ${port} of 127.0.0.1 is in use by another program → stop`),
    ];
    for (const pattern of wanted)
      expect(problems, String(pattern)).toContainEqual(expect.stringMatching(pattern));
    expect(examined.findings).toContainEqual(expect.objectContaining({ level: 'warning', check: 'workers' }));
    for (const { level, advice = '' } of examined.findings) {
      if (level !== 'ok') expect(advice).toMatch(/\w{3,}/);
    }
  });

  it('examines the file of a gateway, with the values of --set', async () => {
    const words = ['--json', '--gateway', '--set', 'listen.port=70000'];
    const examined = await doctor({}, {}, words);
    expect(examined.code).toBe(1);
    const problems = problemsOf(examined);
    expect(problems).toContainEqual(expect.stringMatching(/listen\.port: .*--set listen\.port.* → mend it/));
    expect(problems).toContainEqual(expect.stringMatching(/audience: /));
  });

  it('names every problem of a configuration that is bad', async () => {
    const examined = await doctor({ workers: 0, issuer: 'x' });
    expect(examined.findings.every(({ advice }) => advice !== undefined)).toBe(true);
    expect([examined.code, problemsOf(examined)]).toEqual([
      1,
      [
        expect.stringMatching(/^configuration: issuer: /),
        expect.stringMatching(/^configuration: (issuer|workers): /),
        ...Array(problemsOf(examined).length - 2).fill(expect.stringMatching(/^configuration: /)),
      ],
    ]);
  });

  it('reaches a Redis that is not there in time, and says so', async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    const examined = await doctor({ storage: { redis: { url }, secretFile: 'bank.secret' } });
    expect(problemsOf(examined)).toContainEqual(expect.stringMatching(/^redis: .*ERR_STORAGE_UNAVAILABLE/));
  });
});
