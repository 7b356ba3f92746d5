import { statSync } from 'node:fs';
import { stopOnSignal } from '../../../src/cli/process.ts';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';

// Another process on the same file: races for what may happen once, or writes until it is killed.
const [, , job, file = '', name = ''] = process.argv;
const store = await openSqliteStore({ file, clock: systemClock, log: silentLog });
const inAnHour = new Date(systemClock.now().getTime() + 3_600_000);

if (job === 'race') {
  for (let at = 0; at < 200; at += 1) {
    if (await store.consume('Code', `c${at}`)) process.stdout.write(`consumed c${at}\n`);
    if (await store.putIfAbsent('Replay', `j${at}`, { value: name, expiresAt: inAnHour }))
      process.stdout.write(`put j${at}\n`);
  }
  await store.close();
  process.disconnect?.();
} else if (job === 'open') {
  await store.put('Opened', name, { value: name });
  process.stdout.write(`opened ${name}\n`);
  await store.close();
  process.disconnect?.();
} else if (job === 'stop in purge') {
  // Only the signal's work is left when it comes, as in a server whose listeners are closed.
  const until = new Date(systemClock.now().getTime() + 60_000);
  await Promise.all(
    Array.from({ length: 6000 }, (_, at) => store.put('Token', `t${at}`, { value: name, expiresAt: until })),
  );
  await store.close();
  const later = { now: () => inAnHour };
  const full = await openSqliteStore({ file, clock: later, log: silentLog, purgeSeconds: 0.001 });
  process.disconnect?.();
  setTimeout(() => process.kill(process.pid, 'SIGTERM'), 30);
  const listener = setInterval(() => {}, 1000);
  await stopOnSignal(() => {
    clearInterval(listener);
    return full.close();
  });
  process.stdout.write('closed\n');
} else if (job === 'fill') {
  // Writes until the disk or the quota is full, then tells how it ended and what it may still read.
  const acknowledged: string[] = [];
  const big = 'x'.repeat(20_000);
  for (let at = 0; ; at += 1) {
    const refused = await store.put('Token', `t${at}`, { value: big }).then(
      () => undefined,
      (error: { readonly code?: string }) => error.code,
    );
    if (refused !== undefined) {
      process.stdout.write(`refused ${refused}\n`);
      break;
    }
    acknowledged.push(`t${at}`);
  }
  const found = await Promise.all(acknowledged.map((id) => store.find('Token', id)));
  process.stdout.write(`acknowledged ${acknowledged.length} found ${found.filter(Boolean).length}\n`);
  process.stdout.write(`healthy ${await store.isHealthy()}\n`);
  await store.close().catch(() => undefined);
  process.disconnect?.();
} else if (job === 'heal') {
  // Fills the disk with records that expire soon, waits until they have, and writes again.
  const big = 'x'.repeat(50_000);
  const soon = () => new Date(systemClock.now().getTime() + 2000);
  const isWritten = (id: string) =>
    store.put('Request', id, { value: big, expiresAt: soon() }).then(
      () => true,
      () => false,
    );
  const first = await openSqliteStore({ file, clock: systemClock, log: silentLog, purgeSeconds: 0.05 });
  // Eight purges have made the reserve.
  while ((statSync(`${file}-reserve`, { throwIfNoEntry: false })?.size ?? 0) < 32 * 1024 * 1024) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await first.close();
  let round = 0;
  const writeSome = async () => {
    round += 1;
    return Promise.all(Array.from({ length: 20 }, (_, at) => isWritten(`r${round}-${at}`)));
  };
  while (!(await writeSome()).includes(false));
  process.stdout.write(`full after ${round} rounds\n`);
  await new Promise((resolve) => setTimeout(resolve, 2100));
  const purging = await openSqliteStore({ file, clock: systemClock, log: silentLog, purgeSeconds: 0.1 });
  const end = performance.now() + 15_000;
  let isHealed = false;
  while (!isHealed && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    isHealed = !(await writeSome()).includes(false);
  }
  process.stdout.write(`healed ${isHealed}\n`);
  await Promise.all([purging.close(), store.close()]);
  process.disconnect?.();
} else {
  for (let at = 0; ; at += 1) {
    const id = `${name}-${at}`;
    await store.put('Token', id, { value: id, expiresAt: inAnHour });
    // The dot ends a line that was written whole.
    process.stdout.write(`${id}.\n`);
  }
}
