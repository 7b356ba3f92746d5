import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { shareOf } from './shares.ts';

/** Pages that 16 inserts into a large file leave in the write-ahead log, and the pages of the log before it starts again. */
const GROUP = Buffer.alloc(40 * 4096, 1);
const GROUPS = 150;

/**
 * What the disk takes in the same minute for the writes of one transaction: as many octets, and one sync, without a database.
 * An insert waits for one such group, and for the one before it.
 */
export function diskFloor(file: string, seconds: number): string {
  const handle = openSync(file, 'w', 0o600);
  for (let at = 0; at < GROUPS; at += 1) writeSync(handle, GROUP, 0, GROUP.length, at * GROUP.length);
  fdatasyncSync(handle);
  const times: number[] = [];
  const until = performance.now() + seconds * 1000;
  for (let at = performance.now(); at < until; ) {
    writeSync(handle, GROUP, 0, GROUP.length, (times.length % GROUPS) * GROUP.length);
    fdatasyncSync(handle);
    const now = performance.now();
    times.push(now - at);
    at = now;
  }
  closeSync(handle);
  const share = shareOf(times);
  return `p50 ${share(0.5)} ms, p99 ${share(0.99)} ms, max ${share(1)} ms`;
}
