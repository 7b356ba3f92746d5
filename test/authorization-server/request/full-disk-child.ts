import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import { type Seen, Tpp } from '../../durability/tpp.ts';
import { startTestSandbox } from '../running-sandbox.ts';

/** What a server said while its disk was full, and how long it took to be back when there was room. */
export interface FullDiskReport {
  readonly refused: { readonly status: number; readonly retryAfter: boolean; readonly milliseconds: number };
  readonly isReady: boolean;
  readonly recoveryMilliseconds: number;
}

// A server whose store is on a small disk of its own, which this process fills and clears.
const [, , disk = ''] = process.argv;
const store = await openSqliteStore({
  file: join(disk, 'store.sqlite'),
  clock: systemClock,
  log: silentLog,
});
const sandbox = await startTestSandbox({ store });
let last: Seen | undefined;
const tpp = new Tpp(sandbox, 'money-one', (seen) => {
  last = seen;
});
const [front = 0, mtls = 0] = [sandbox.description.issuer, sandbox.description.mtlsUrl].map((url) =>
  Number(new URL(url).port),
);
const isTaken = () =>
  tpp.pushed({ ports: { front, mtls, health: 0 } }).then(
    () => true,
    () => false,
  );
if (!(await isTaken())) throw new Error('it does not even begin');

const ballast = join(disk, 'ballast');
fill(ballast);
// What is left of the last page of the log is still used.
for (let at = 0; at < 200 && (await isTaken()); at += 1);
if (last === undefined || last.answer instanceof Error) throw new Error('no answer');
const refused = {
  status: last.answer.status,
  retryAfter: last.answer.headers['retry-after'] !== undefined,
  milliseconds: last.milliseconds,
};
const isReady = await sandbox.server.isReady();
rmSync(ballast);
const from = performance.now();
while (!(await isTaken())) await sleep(20);
const recoveryMilliseconds = performance.now() - from;
tpp.close();
await sandbox.stop();
process.stdout.write(JSON.stringify({ refused, isReady, recoveryMilliseconds } satisfies FullDiskReport));

function fill(file: string): void {
  const descriptor = openSync(file, 'w');
  try {
    for (const size of [4096, 1]) writeUntilFull(descriptor, Buffer.alloc(size));
  } finally {
    closeSync(descriptor);
  }
}

function writeUntilFull(descriptor: number, chunk: Buffer): void {
  try {
    while (writeSync(descriptor, chunk) > 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
