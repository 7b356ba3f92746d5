import { constants, type FileHandle, mkdir, open, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { invalidConfig } from '../errors.ts';
import type { AuditBatch, AuditOutput } from './audit-output.ts';
import { CERTIFICATES_FOLDER, segmentName } from './line/segment-name.ts';

export interface FolderOutputOptions {
  readonly folder: string;
  /** The name of the chain. */
  readonly process: string;
  /** A file of this size, or this age, is followed by the next one. */
  readonly rotateBytes: number;
  readonly rotateSeconds: number;
  readonly clock: Clock;
}

/** With O_DSYNC a write returns when its octets are on the disk: one call takes the place of a write and a sync. */
const NEW_DURABLE =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_EXCL | constants.O_DSYNC;

interface OpenFile {
  readonly name: string;
  readonly handle: FileHandle;
  readonly openedAt: Date;
  size: number;
}

/**
 * The files of one process in a folder, mode 0600. A batch goes into one file, so that lines never break at a rotation;
 * the first line of a file has the hash of the last line of the file before.
 */
export class FolderOutput implements AuditOutput {
  readonly #options: FolderOutputOptions;
  #file: OpenFile;
  #number = 1;
  /** Octets of the batch under way, and how many of them are written. */
  #bytes: Buffer | undefined;
  #written = 0;
  /** Whether a write failed after the system had taken its octets. The system may drop these, and reports that once only. */
  #isLost = false;

  private constructor(options: FolderOutputOptions, file: OpenFile) {
    this.#options = options;
    this.#file = file;
  }

  /** @throws ERR_CONFIG_INVALID when the folder cannot be made or written to */
  static async open(options: FolderOutputOptions): Promise<FolderOutput> {
    const { folder } = options;
    try {
      await mkdir(join(folder, CERTIFICATES_FOLDER), { recursive: true, mode: 0o700 });
      return new FolderOutput(options, await openFile(options, 1));
    } catch (cause) {
      const message = `cannot be written: ${(cause as NodeJS.ErrnoException).code}`;
      throw invalidConfig(folder, [{ path: 'audit.folder', message }], cause);
    }
  }

  async append({ text }: AuditBatch): Promise<void> {
    if (this.#isLost) throw new Error('a sync of the file has failed: the record goes on after a restart');
    if (this.#bytes === undefined) {
      await this.#rotate();
      this.#bytes = Buffer.from(text);
      this.#written = 0;
    }
    const file = this.#file;
    try {
      while (this.#written < this.#bytes.length) {
        const { bytesWritten } = await file.handle.write(this.#bytes, this.#written);
        this.#written += bytesWritten;
        file.size += bytesWritten;
      }
    } catch (error) {
      this.#isLost = (await file.handle.stat()).size !== file.size;
      throw error;
    }
    this.#bytes = undefined;
  }

  async showLife(): Promise<void> {
    const now = this.#options.clock.now();
    await utimes(join(this.#options.folder, this.#file.name), now, now);
  }

  async keepCertificate(fingerprint: string, pem: string): Promise<void> {
    const file = join(this.#options.folder, CERTIFICATES_FOLDER, `${fingerprint}.pem`);
    await writeFile(file, pem, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }

  async close(): Promise<void> {
    await this.#file.handle.close();
  }

  async #rotate(): Promise<void> {
    const { rotateBytes, rotateSeconds, clock } = this.#options;
    const ageMilliseconds = clock.now().getTime() - this.#file.openedAt.getTime();
    const isDue = this.#file.size >= rotateBytes || ageMilliseconds >= rotateSeconds * 1000;
    if (!isDue || this.#file.size === 0) return;
    const next = await openFile(this.#options, this.#number + 1);
    const { handle } = this.#file;
    this.#file = next;
    this.#number += 1;
    await handle.close();
  }
}

async function openFile({ folder, process, clock }: FolderOutputOptions, number: number): Promise<OpenFile> {
  const name = segmentName(process, number);
  const handle = await open(join(folder, name), NEW_DURABLE, 0o600);
  try {
    // The name is durable before the first line is.
    const parent = await open(folder, 'r');
    await parent.sync().finally(() => parent.close());
  } catch (error) {
    await handle.close();
    throw error;
  }
  return { name, handle, openedAt: clock.now(), size: 0 };
}
