import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidConfig } from '../../errors.ts';
import { CERTIFICATES_FOLDER, parseSegmentName } from '../line/segment-name.ts';
import type { AuditSegment, AuditSource } from './audit-source.ts';

const CLOCK_MARGIN_MILLISECONDS = 60_000;
const CHUNK_BYTES = 1024 * 1024;

/** A record in a folder. */
export class FolderSource implements AuditSource {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws ERR_CONFIG_INVALID when the folder cannot be read */
  async segments(): Promise<readonly AuditSegment[]> {
    const names = await readdir(this.#folder).catch((cause: NodeJS.ErrnoException) => {
      throw invalidConfig(
        this.#folder,
        [{ path: 'audit.folder', message: `cannot be read: ${cause.code}` }],
        cause,
      );
    });
    const segments = names.toSorted().map(async (name): Promise<AuditSegment[]> => {
      const parsed = parseSegmentName(name);
      if (parsed === undefined) return [];
      const file = join(this.#folder, name);
      const { size: bytes, mtimeMs } = await stat(file);
      // A clock of the file system may be behind that of the lines.
      const lastAt = new Date(mtimeMs + CLOCK_MARGIN_MILLISECONDS);
      return [{ ...parsed, name, bytes, lastAt, chunks: () => chunksOf(file, bytes) }];
    });
    return (await Promise.all(segments)).flat();
  }

  async findCertificate(fingerprint: string): Promise<string | undefined> {
    const file = join(this.#folder, CERTIFICATES_FOLDER, `${fingerprint}.pem`);
    return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return undefined;
    });
  }

  async close(): Promise<void> {}
}

/** Up to the size at the start: the file may still grow. */
function chunksOf(file: string, bytes: number): AsyncIterable<Buffer> {
  return createReadStream(file, { highWaterMark: CHUNK_BYTES, start: 0, end: Math.max(bytes - 1, 0) });
}
