import assert from 'node:assert/strict';
import { execFile, execFileSync, type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { SANDBOX_PACKAGES } from '../src/cli/sandbox-packages.ts';
import { prepareBank, tokenFrom, useToken } from './packages-bank.ts';

// Installs each tarball of dist/packages/ as a user does, and uses it: the last check before a release.

const ROOT = resolve(import.meta.dirname, '..');
const run = promisify(execFile);
const work = mkdtempSync(join(tmpdir(), 'tallystick-packages-'));
const running: ChildProcess[] = [];
// Commands that are started here run under this release of Node, as they name no other.
process.env.PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
const { devDependencies, optionalDependencies } = JSON.parse(
  readFileSync(join(ROOT, 'package.json'), 'utf8'),
);

/** Releases of Node under which the small packages run besides the one of development, and the frameworks there. */
const RELEASES = [
  { node: '22.23.3', frameworks: ['express@4', 'fastify@4', 'koa@2'] },
  { node: '24.21.0', frameworks: ['express@5', 'fastify@5', 'koa@3'] },
];

const tarballOf = (name: string): string => {
  const start = `${name.replace('@', '').replace('/', '-')}-`;
  const file = readdirSync(join(ROOT, 'dist/packages')).find(
    (one) => one.endsWith('.tgz') && isOf(one, start),
  );
  assert(file !== undefined, `there is no tarball of ${name}`);
  return join(ROOT, 'dist/packages', file);
};
const isOf = (file: string, start: string) => file.startsWith(start) && /^\d/.test(file.slice(start.length));

function emptyFolder(name: string): string {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  return folder;
}

async function install(folder: string, ...packages: readonly string[]): Promise<readonly string[]> {
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', ['install', ...quiet, ...packages], { cwd: folder });
  const lock = JSON.parse(readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8'));
  return Object.keys(lock.packages).map((path) => path.replace(/^.*node_modules\//, ''));
}

async function lint(name: string): Promise<void> {
  const bin = (command: string) => join(ROOT, 'node_modules/.bin', command);
  await run(bin('publint'), ['--strict', tarballOf(name)]);
  await run(bin('attw'), ['--profile', 'esm-only', '--no-definitely-typed', tarballOf(name)]);
}

const platform = `-${process.platform.replace('win32', 'win')}-${process.arch}`;
/** The package that holds the program `node` for this machine. */
const NODE_PACKAGE = Object.keys(optionalDependencies).find((name) => name.endsWith(platform));
assert(NODE_PACKAGE !== undefined, `no package has a Node for ${platform}`);

const NODE_TYPES = `@types/node@${devDependencies['@types/node']}`;

/** Without `skipLibCheck`: the declarations of the package, and of all that they name, must be complete. */
async function typeCheck(folder: string, consumer: string): Promise<void> {
  cpSync(join(ROOT, 'scripts/consumers', consumer), join(folder, consumer));
  const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
  await run(join(ROOT, 'node_modules/.bin/tsc'), [...flags, consumer], { cwd: folder });
}

async function checkSmallPackage(name: string, needed: readonly string[]): Promise<string> {
  const short = name.replace('@tallystick/', '');
  const folder = emptyFolder(short);
  const installed = await install(folder, tarballOf(name));
  assert.deepEqual([...installed].sort(), [name, ...needed].sort());
  await install(folder, NODE_TYPES);
  await Promise.all([lint(name), typeCheck(folder, `${short}.ts`)]);
  return `${name} and ${needed.join(', ')}`;
}

/** A folder with the small packages, a release of Node and the frameworks of its time. */
async function installApi({ node, frameworks }: (typeof RELEASES)[number]): Promise<string> {
  const folder = emptyFolder(`node-${node}`);
  const packages = ['@tallystick/resource-server', '@tallystick/tpp-registry'].map(tarballOf);
  await install(folder, ...packages, `${NODE_PACKAGE}@${node}`, ...frameworks);
  const program = join(folder, 'node_modules/.bin/node');
  assert.equal(execFileSync(program, ['--version'], { encoding: 'utf8' }).trim(), `v${node}`);
  // Long enough for a thread of its own: the module of the thread must be in the tarball.
  const tpps = Array.from({ length: 200 }, (_, at) => ({
    authorizationNumber: `PSDGB-FCA-${at}`,
    legalName: 'Acme Accounts Ltd',
    nca: { id: 'GB-FCA' },
    country: 'GB',
    roles: ['PSP_AI'],
    status: 'active',
    statusSince: '2026-01-31',
  }));
  writeFileSync(join(folder, 'tpps.json'), JSON.stringify({ tpps }));
  const { stdout } = await run(program, ['--input-type=module', '-e', COUNT_TPPS], { cwd: folder });
  assert.equal(stdout, '200');
  return folder;
}

const COUNT_TPPS = `
  import { openFileRegistry } from '@tallystick/tpp-registry';
  const registry = await openFileRegistry({ file: 'tpps.json' });
  process.stdout.write(String(registry.list().length));
  await registry.close();
`;

/** Starts a bank's API in the folder; returns the port of each framework. */
async function startApi(folder: string, options: object): Promise<Record<string, number>> {
  cpSync(join(ROOT, 'scripts/consumers/api.mjs'), join(folder, 'api.mjs'));
  const program = join(folder, 'node_modules/.bin/node');
  const api = spawn(program, ['api.mjs', JSON.stringify(options)], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  running.push(api);
  const noStart = once(api, 'exit').then(() => assert.fail('the API did not start'));
  const [line] = await Promise.race([once(api.stdout, 'data'), noStart]);
  return JSON.parse(String(line));
}

async function checkServer(): Promise<string> {
  const folder = emptyFolder('server');
  const [installed, bank, ...apis] = await Promise.all([
    install(folder, tarballOf('tallystick')),
    prepareBank(join(work, 'bank')),
    ...RELEASES.map(installApi),
  ]);
  const command = join(folder, 'node_modules/.bin/tallystick');
  const unwanted = SANDBOX_PACKAGES.filter((name) => installed.includes(name));
  assert.deepEqual(unwanted, []);
  const refused = await run(command, ['sandbox'], { cwd: folder }).catch((error: unknown) => error);
  const line = `error: the sandbox needs packages that a server does without. Run: npm install ${SANDBOX_PACKAGES.join(' ')}\n`;
  assert.deepEqual(pick(refused, 'code', 'stderr'), { code: 2, stderr: line });

  const server = spawn(command, ['serve', '--config', bank.configurationFile], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  running.push(server);
  const token = await tokenFrom(bank);
  for (const api of apis) {
    for (const [framework, port] of Object.entries(await startApi(api, bank.api)))
      assert.deepEqual(await useToken(bank, { port, token }), [200, 401, 401], framework);
  }
  for (const one of running) one.kill();
  await once(server, 'exit');

  await install(folder, NODE_TYPES, ...SANDBOX_PACKAGES);
  const demo = run(command, ['demo'], { cwd: folder });
  await Promise.all([lint('tallystick'), typeCheck(folder, 'tallystick.ts'), demo]);
  return `tallystick and ${installed.length - 1} packages: ${installed.filter((name) => name !== 'tallystick').join(' ')}`;
}

function pick(value: unknown, ...names: readonly string[]): object {
  return Object.fromEntries(Object.entries(Object(value)).filter(([name]) => names.includes(name)));
}

try {
  // All of them end before the folders go.
  const checks = await Promise.allSettled([
    checkSmallPackage('@tallystick/resource-server', ['jose']),
    checkSmallPackage('@tallystick/tpp-registry', ['pend', 'yauzl', 'yaml', 'zod']),
    checkServer(),
  ]);
  for (const check of checks) {
    if (check.status === 'rejected') throw check.reason;
    console.log(`installed and used: ${check.value}`);
  }
} catch (error) {
  // Compiler and linters write what is wrong to their standard output.
  if (error instanceof Error && 'stdout' in error) console.error(error.stdout);
  throw error;
} finally {
  for (const one of running) one.kill();
  rmSync(work, { recursive: true, force: true });
}
