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
const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

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
  // The scripts of the package `node` fetch its program.
  writeFileSync(
    join(folder, 'package.json'),
    '{ "private": true, "type": "module", "allowScripts": { "node": true } }',
  );
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

/** Without `skipLibCheck`: the declarations of the package, and of all that they name, must be complete. */
async function typeCheck(folder: string, consumer: string): Promise<void> {
  await install(folder, `@types/node@${devDependencies['@types/node']}`);
  cpSync(join(ROOT, 'scripts/consumers', consumer), join(folder, consumer));
  const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
  await run(join(ROOT, 'node_modules/.bin/tsc'), [...flags, consumer], { cwd: folder });
}

async function checkSmallPackage(name: string, expected: readonly string[]): Promise<string> {
  const short = name.replace('@tallystick/', '');
  const folder = emptyFolder(short);
  const installed = await install(folder, tarballOf(name));
  assert.deepEqual([...installed].sort(), [name, ...expected].sort());
  await Promise.all([lint(name), typeCheck(folder, `${short}.ts`)]);
  return `${name}: ${installed.length} packages`;
}

/** A bank's API in the folder, under a release of Node and with the frameworks of its time. */
async function startApi(
  release: (typeof RELEASES)[number],
  options: object,
): Promise<Record<string, number>> {
  const folder = emptyFolder(`node-${release.node}`);
  const packages = ['@tallystick/resource-server', '@tallystick/tpp-registry'].map(tarballOf);
  await install(folder, ...packages, `node@${release.node}`, ...release.frameworks);
  const node = join(folder, 'node_modules/.bin/node');
  assert.equal(execFileSync(node, ['--version'], { encoding: 'utf8' }).trim(), `v${release.node}`);
  await run(node, ['--input-type=module', '-e', "await import('@tallystick/tpp-registry')"], { cwd: folder });
  cpSync(join(ROOT, 'scripts/consumers/api.mjs'), join(folder, 'api.mjs'));
  const api = spawn(node, ['api.mjs', JSON.stringify(options)], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  running.push(api);
  const [line] = await once(api.stdout, 'data');
  return JSON.parse(String(line));
}

async function checkServer(): Promise<string> {
  const folder = emptyFolder('server');
  const installed = await install(folder, tarballOf('tallystick'));
  assert.deepEqual(
    SANDBOX_PACKAGES.filter((name) => installed.includes(name)),
    [],
  );
  const command = join(folder, 'node_modules/.bin/tallystick');
  const refused = await run(command, ['sandbox'], { cwd: folder }).catch((error: unknown) => error);
  const line = `error: the sandbox needs packages that a server does without. Run: npm install ${SANDBOX_PACKAGES.join(' ')}\n`;
  assert.deepEqual(pick(refused, 'code', 'stderr'), { code: 2, stderr: line });

  const bank = await prepareBank(join(work, 'bank'));
  const server = spawn(command, ['serve', '--config', bank.configurationFile], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  running.push(server);
  const token = await tokenFrom(bank);
  for (const release of RELEASES) {
    for (const [framework, port] of Object.entries(await startApi(release, bank.api)))
      assert.deepEqual(await useToken(bank, { port, token }), [200, 401, 401], framework);
  }
  server.kill();
  await once(server, 'exit');

  await Promise.all([lint('tallystick'), typeCheck(folder, 'tallystick.ts')]);
  await install(folder, ...SANDBOX_PACKAGES);
  await run(command, ['demo'], { cwd: folder });
  return `tallystick: ${installed.length} packages`;
}

function pick(value: unknown, ...names: readonly string[]): object {
  return Object.fromEntries(Object.entries(Object(value)).filter(([name]) => names.includes(name)));
}

try {
  console.log(await checkSmallPackage('@tallystick/resource-server', ['jose']));
  console.log(await checkSmallPackage('@tallystick/tpp-registry', ['yaml', 'zod']));
  console.log(await checkServer());
} catch (error) {
  // Compiler and linters write what is wrong to their standard output.
  if (error instanceof Error && 'stdout' in error) console.error(error.stdout);
  throw error;
} finally {
  for (const one of running) one.kill();
  rmSync(work, { recursive: true, force: true });
}
