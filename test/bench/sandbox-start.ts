import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

// How long `npm run sandbox` takes until it is ready, first and again, and what its process holds five seconds later.
const folder = mkdtempSync(join(tmpdir(), 'tallystick-bench-'));
const flags = ['--dir', folder, '--port', '0', '--mtls-port', '0', '--resource-port', '0', '--tpp-port', '0'];

for (const run of ['first start', 'second start', 'third start']) {
  const before = performance.now();
  const npm = spawn('npm', ['run', 'sandbox', '--', ...flags], { detached: true });
  await new Promise<void>((resolve) => {
    let text = '';
    npm.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('The sandbox is ready.')) resolve();
    });
  });
  const seconds = (performance.now() - before) / 1000;
  await sleep(5000);
  const group = npm.pid ?? 0;
  console.log(`${run}: ready after ${seconds.toFixed(2)} s, ${memoryOf(group)} MB resident when idle`);
  const ended = new Promise((resolve) => npm.once('exit', resolve));
  process.kill(-group, 'SIGTERM');
  await ended;
}
rmSync(folder, { recursive: true });

/** Resident memory of the server, in MB: of the processes after npm's own, the one that runs our command. Linux. */
function memoryOf(npm: number): number {
  const found: number[] = [];
  for (let pid = npm; pid < npm + 200; pid += 1) {
    if (!existsSync(`/proc/${pid}/cmdline`)) continue;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const isServer = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('src/cli/main.ts');
    if (isServer) found.push(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]));
  }
  return Math.round(Math.max(...found) / 1024);
}
