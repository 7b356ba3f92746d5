import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROFILE_NAMES } from '../../../src/authorization-server/profiles/profiles.ts';
import { silentLog } from '../../../src/events.ts';
import { reloadFollowedFiles } from '../../../src/files/followed-file.ts';
import { openClientFiles } from '../../../src/server/clients/client-files.ts';
import { openFileRegistry } from '../../../tpp-registry/index.ts';

/** Of a process that has opened the lists and then read them again. */
export interface Measured {
  readonly startSeconds: number;
  /** CPU of both threads until then. */
  readonly startCpuSeconds: number;
  readonly bytesPerRecord: number;
  readonly peakMegabytes: number;
  readonly changeSeconds: number;
  /** Milliseconds. */
  readonly delay: { readonly p99: number; readonly max: number };
  readonly busySeconds: number;
}

const [, , folder = '', files = '{}'] = process.argv;
const named: { readonly registry?: string; readonly clients?: string } = JSON.parse(files);
const names = Object.values(named);
const log = silentLog;
const pollSeconds = 3600;

const before = bytesNow();
const startedAt = performance.now();
const cpu = process.cpuUsage();
const opened = await Promise.all([
  named.registry === undefined
    ? undefined
    : openFileRegistry({ file: join(folder, named.registry), log, pollSeconds }),
  named.clients === undefined
    ? undefined
    : openClientFiles({
        entries: [],
        apiScopes: ['accounts', 'payments'],
        profiles: PROFILE_NAMES,
        senderConstraints: ['certificate'],
        file: join(folder, named.clients),
        log,
        pollSeconds,
      }),
]);
const startSeconds = (performance.now() - startedAt) / 1000;
const startCpuSeconds = process.cpuUsage(cpu).user / 1e6;
const records = (named.registry === undefined ? 0 : 50_000) + (named.clients === undefined ? 0 : 100_000);
const bytesPerRecord = (bytesNow() - before) / Math.max(records, 1);

for (const name of names) swap(name);
// The histogram measures from its second tick on.
const histogram = monitorEventLoopDelay({ resolution: 1 });
histogram.enable();
await sleep(20);
histogram.reset();
const load = performance.eventLoopUtilization();
const changedAt = performance.now();
if (names.length > 0) {
  const { changed } = await reloadFollowedFiles();
  if (changed.length !== names.length) throw new Error('a list has not changed');
} else await new Promise((resolve) => process.once('message', resolve));
const changeSeconds = (performance.now() - changedAt) / 1000;
histogram.disable();
const measured: Measured = {
  startSeconds,
  startCpuSeconds,
  bytesPerRecord,
  peakMegabytes: process.resourceUsage().maxRSS / 1024,
  changeSeconds,
  delay: { p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6 },
  busySeconds: performance.eventLoopUtilization(load).active / 1000,
};
for (const name of names) swap(name);
await Promise.all(opened.map((one) => one?.close()));
process.send?.(measured, () => process.disconnect?.());

/** Exchanges a list and its other copy. */
function swap(name: string): void {
  const [file, next, aside] = ['', '.next', '.aside'].map((end) => join(folder, `${name}${end}`));
  renameSync(file ?? '', aside ?? '');
  renameSync(next ?? '', file ?? '');
  renameSync(aside ?? '', next ?? '');
}

function bytesNow(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers, external } = process.memoryUsage();
  return heapUsed + Math.max(arrayBuffers, external);
}
