import { systemClock } from '../../src/clock.ts';
import { silentLog } from '../../src/log.ts';
import { openSqliteStore } from '../../src/storage/sqlite.ts';

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
} else {
  for (let at = 0; ; at += 1) {
    const id = `${name}-${at}`;
    await store.put('Token', id, { value: id, expiresAt: inAnHour });
    // The dot ends a line that was written whole.
    process.stdout.write(`${id}.\n`);
  }
}
