import { createReadStream } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidConfig } from '../../errors.ts';
import { CERTIFICATES_FOLDER, parseSegmentName, startOf } from '../line/segment-name.ts';
import type { AuditSegment, AuditSource } from './audit-source.ts';
import { placesOf, timeOf, type TimeRange } from './time-range.ts';

const CLOCK_MARGIN_MILLISECONDS = 60_000;
const CHUNK_BYTES = 1024 * 1024;
/** Some lines: no event has more than 5,000 octets. */
const PROBE_BYTES = 16_384;

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
      return [
        {
          ...{ ...parsed, name, bytes, lastAt, firstAt: startOf(parsed.process) },
          chunks: () => chunksOf(file, { start: 0, end: bytes }),
          chunksOf: (range) => chunksWithin(file, bytes, range),
        },
      ];
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
function chunksOf(
  file: string,
  { start, end }: { readonly start: number; readonly end: number },
): AsyncIterable<Buffer> {
  return createReadStream(file, { highWaterMark: CHUNK_BYTES, start, end: Math.max(end - 1, start) });
}

async function* chunksWithin(file: string, bytes: number, range: TimeRange): AsyncGenerator<Buffer> {
  const handle = await open(file, 'r');
  const timeAt = async (place: number) => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(PROBE_BYTES), { position: place });
    const lines = buffer.toString('latin1', 0, bytesRead).split('\n');
    // The first of them may be cut, and so may the last.
    return lines
      .slice(place === 0 ? 0 : 1, -1)
      .map(timeOf)
      .find((time) => time !== undefined);
  };
  const places = { end: bytes, grain: PROBE_BYTES, timeAt };
  const found = await placesOf(places, range).finally(() => handle.close());
  if (found.end > found.start) yield* chunksOf(file, found);
}
