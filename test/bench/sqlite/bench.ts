import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { diskFloor } from './disk-floor.ts';
import { Growing } from './growing.ts';
import { shareOf } from './shares.ts';

/*
 * The embedded store as it grows: inserts of 16 writers into a file of 10,000 to 1,000,000 live records; then all of
 * them expire, and are removed beside the same writers, and without them; then the size of a file over cycles of
 * inserts and removals. Beside the inserts stands what the disk takes in the same minute for writes of their size.
 * Words after the name: the numbers of records, with commas; `inserts` for these alone.
 */
const [, , , counts = '10000,100000,1000000', ...words] = process.argv;
const isShort = words.includes('inserts');
const WRITERS = 16;
const SECONDS = 8;
const FLOOR_SECONDS = 2;
const CYCLES = 6;
const CYCLE_RECORDS = 40_000;
const PUT_AT_ONCE = 2000;
const folder = mkdtempSync(join(tmpdir(), 'tallystick-bench-sqlite-'));

interface Inserts {
  readonly perSecond: number;
  readonly text: string;
}

async function insertFor(seconds: number, growing: Growing): Promise<Inserts> {
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  const writer = async () => {
    for (let at = performance.now(); at < until; ) {
      await growing.put();
      const now = performance.now();
      times.push(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  const { user, system } = process.cpuUsage(cpu);
  const perSecond = times.length / ((performance.now() - startedAt) / 1000);
  const share = shareOf(times);
  const each = ((user + system) / times.length).toFixed(0);
  const delays = `p50 ${share(0.5)} ms, p99 ${share(0.99)} ms, max ${share(1)} ms`;
  return { perSecond, text: `${perSecond.toFixed(0)} inserts/s, ${delays}, ${each} us of CPU each` };
}

/** Records removed each second, until the record of this number is removed or `during` has ended. */
async function removalRate(growing: Growing, until: number, during?: Promise<unknown>): Promise<number> {
  let isOver = false;
  void during?.then(() => {
    isOver = true;
  });
  const before = growing.records().first;
  const startedAt = performance.now();
  let { first } = growing.records();
  let seconds = 0;
  while (!isOver && first < until && seconds < SECONDS) {
    await sleep(20);
    first = Math.min(growing.records().first, until);
    seconds = (performance.now() - startedAt) / 1000;
  }
  return (first - before) / seconds;
}

for (const count of counts.split(',').map(Number)) {
  const startedAt = performance.now();
  const growing = await Growing.open(join(folder, `rows-${count}.sqlite`), count);
  const seconds = (performance.now() - startedAt) / 1000;
  const floors = [diskFloor(join(folder, 'floor'), FLOOR_SECONDS)];
  const inserts = await insertFor(SECONDS, growing);
  floors.push(diskFloor(join(folder, 'floor'), FLOOR_SECONDS));
  console.log(`${count} records (filled in ${seconds.toFixed(0)} s): ${inserts.text}`);
  console.log(`  the disk alone for one transaction, before and after: ${floors.join('; ')}`);
  if (!isShort) {
    const { last } = growing.records();
    growing.expireAll();
    const alone = await removalRate(growing, last / 2);
    const inserting = insertFor(SECONDS, growing);
    const beside = await removalRate(growing, last, inserting);
    const { text, perSecond } = await inserting;
    const ratioOf = (removed: number, inserted: number) =>
      `${removed.toFixed(0)} removed/s, ${(removed / inserted).toFixed(2)} x`;
    console.log(`  expired, without inserts: ${ratioOf(alone, inserts.perSecond)} the inserts before`);
    console.log(`  beside inserts: ${ratioOf(beside, perSecond)} these: ${text}`);
  }
  console.log(`  file and log, MB: ${growing.megabytes().map(Math.round).join(' and ')}`);
  await growing.close();
}

if (!isShort) {
  const cycled = await Growing.open(join(folder, 'cycles.sqlite'), 0);
  const sizes: string[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    for (let at = 0; at < CYCLE_RECORDS; at += PUT_AT_ONCE) {
      await Promise.all(Array.from({ length: PUT_AT_ONCE }, () => cycled.put()));
    }
    const [full] = cycled.megabytes();
    cycled.expireAll();
    while (cycled.records().last > 0) await sleep(100);
    await sleep(1000);
    const [empty, log] = cycled.megabytes();
    sizes.push(`${full.toFixed(0)} → ${empty.toFixed(0)} (log ${log.toFixed(0)})`);
  }
  console.log(`file after ${CYCLE_RECORDS} inserts, and after their removal, MB: ${sizes.join(', ')}`);
  await cycled.close();
}
rmSync(folder, { recursive: true });
