import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { lineHash, parseLine } from './line/audit-line.ts';
import { type CheckpointLink, parseCheckpoint } from './line/checkpoint.ts';
import { parseSegmentName } from './line/segment-name.ts';
import { readPart } from './reading/file-part.ts';
import type { RedisStreams } from '../storage/redis/redis-streams.ts';

/** Files or streams that are looked at: those of the processes that wrote last. */
const MAX_PARTS = 100;

/** The checkpoint with the highest number at the ends of the newest files; undefined when there is none. */
export async function newestOfFolder(folder: string): Promise<CheckpointLink | undefined> {
  const names = (await readdir(folder)).filter((name) => parseSegmentName(name) !== undefined);
  const files = await Promise.all(
    names.map(async (name) => ({ file: join(folder, name), at: (await stat(join(folder, name))).mtimeMs })),
  );
  const newest = files.toSorted((a, b) => b.at - a.at).slice(0, MAX_PARTS);
  return highest(await Promise.all(newest.map(({ file }) => readPart(file, 'end'))));
}

/** The checkpoint with the highest number at the ends of the newest streams. @throws ERR_STORAGE_UNAVAILABLE */
export async function newestOfStreams(streams: RedisStreams): Promise<CheckpointLink | undefined> {
  const newest = (await streams.names()).toSorted().slice(-MAX_PARTS);
  const ends = newest.map(async (name) => (await streams.readBack(name, undefined, 1))[0]?.text ?? '');
  return highest(await Promise.all(ends));
}

function highest(texts: readonly string[]): CheckpointLink | undefined {
  let found: CheckpointLink | undefined;
  for (const line of texts.flatMap((text) => text.split('\n'))) {
    const checkpoint = parseCheckpoint(parseLine(line)?.members ?? {});
    if (checkpoint === undefined || checkpoint.number <= (found?.number ?? 0)) continue;
    const { number, process, sequence } = checkpoint;
    found = { number, process, sequence, hash: lineHash(line) };
  }
  return found;
}
