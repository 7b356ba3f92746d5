import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { baseImage, build, opened } from './container-image.ts';
import { Container } from './container-run.ts';
import { prepareBank, tokenFrom } from './packages-bank.ts';

// Builds deploy/Containerfile and runs the image as docker-compose.yml does: a token over mTLS, the health check, and the
// end after SIGTERM. `--twice` builds it once more and compares.

const missing = ['buildah', 'runc', 'git'].filter((tool) => spawnSync(tool, ['--version']).status !== 0);
const isRoot = process.getuid?.() === 0;
if (process.platform !== 'linux' || !isRoot || missing.length > 0) {
  const reason = missing.length > 0 ? `${missing.join(', ')} is not installed` : 'it needs Linux and root';
  console.log(`skipped: ${reason}`);
  process.exit(0);
}
const work = mkdtempSync(join(tmpdir(), 'tallystick-container-'));
const cleanUp: (() => void)[] = [() => rmSync(work, { recursive: true, force: true })];
try {
  const base = baseImage(work);
  const id = build(work, base);
  console.log(`the image was built: ${id}`);
  if (process.argv.includes('--twice')) {
    const again = build(work, base);
    assert.equal(again, id, 'a second build has another digest');
    console.log('a second build has the same digest');
  }
  await use(id);
} finally {
  for (const clean of cleanUp.toReversed()) clean();
}

async function use(id: string): Promise<void> {
  const image = opened(id);
  cleanUp.push(() => image.remove());
  assert.deepEqual(image.user, { uid: 1000, gid: 1000 });
  const deployment = join(work, 'deployment');
  const data = join(work, 'data');
  mkdirSync(deployment);
  mkdirSync(data, { mode: 0o700 });
  const bank = await prepareBank(deployment);
  const configured = readFileSync(bank.configurationFile, 'utf8')
    .replaceAll(deployment, '/deployment')
    .replace(/\b(bank\.(?:sqlite|secret|keys\.json))/g, '/data/$1')
    .replace(/health: \d+/, 'health: 9000');
  writeFileSync(bank.configurationFile, configured);
  execFileSync('chown', ['-R', '1000:1000', deployment, data]);
  const mounts = [
    { source: deployment, target: '/deployment' },
    { source: data, target: '/data', isWritable: true },
  ];
  const container = new Container(image, { work, mounts });
  cleanUp.push(() => container.remove());
  const token = await tokenFrom(bank);
  assert.equal(token.split('.').length, 3);
  console.log('user 1000, read-only, without a capability: a token over mTLS');
  await healthy(container, image.healthCheck);
  console.log(`the health check of the image passes: ${image.healthCheck[0]} …`);
  const write = "require('node:fs').writeFileSync('/app/x', '')";
  assert.notEqual(container.run(['node', '-e', write]), 0, 'a file of the image can be written');
  assert.equal(await container.stop(), 0);
  console.log('SIGTERM: exit code 0');
}

async function healthy(container: Container, check: readonly string[]): Promise<void> {
  for (let tries = 0; container.run(check) !== 0; tries += 1) {
    assert(tries < 20, 'the health check does not pass');
    await sleep(500);
  }
}
