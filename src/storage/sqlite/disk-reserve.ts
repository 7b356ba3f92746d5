import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * More than the write-ahead log grows to before SQLite moves its pages to the file (24 MB): both the removal and this
 * move need room on the disk.
 */
const RESERVE_BYTES = 32 * 1024 * 1024;
/** Written at once, so that no write waits long behind the reserve. */
const STEP = Buffer.alloc(4 * 1024 * 1024);
/** The disk keeps at least as much for everyone else. */
const SHARE = 2;

/**
 * A file beside the store that holds room on the disk. On a full disk even a removal of expired records needs room;
 * without the reserve a store that was filled once would never accept a write again.
 */
export class DiskReserve {
  readonly #file: string;

  constructor(storeFile: string) {
    this.#file = `${storeFile}-reserve`;
  }

  /** Takes one step more of the room, while the disk has plenty. Without success the store goes on without a reserve. */
  grow(): void {
    try {
      const size = statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0;
      if (size >= RESERVE_BYTES) return;
      const { bavail, bsize } = statfsSync(dirname(this.#file));
      if (bavail * bsize < RESERVE_BYTES * SHARE) return;
      const file = openSync(this.#file, 'a', 0o600);
      try {
        writeSync(file, STEP);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
    } catch {
      this.release();
    }
  }

  release(): void {
    rmSync(this.#file, { force: true });
  }
}
