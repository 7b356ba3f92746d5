import { setImmediate as nextTurn } from 'node:timers/promises';
import { type FollowedFile, type FollowedSourceOptions, openFollowedSource } from './followed-file.ts';
import { type ListReader, type ListSource, readList } from './list-reader.ts';
import { PackedRecords } from './packed-records.ts';

export interface FollowedListOptions
  extends Pick<FollowedSourceOptions<PackedRecords>, 'name' | 'log' | 'pollSeconds' | 'onChange'> {
  readonly reader: ListReader;
  readonly source: ListSource;
}

/** Opens a list: `openFollowedList`, or another process that reads for this one. */
export type OpenList = (options: FollowedListOptions) => Promise<FollowedFile<PackedRecords>>;

/** Keys that are compared in one turn of the event loop: half a millisecond. */
const SLICE = 250;

/**
 * Opens a list that is read again when its file changes, without blocking this thread (`readList`). A bad copy is logged
 * with its problems, and the last good copy stays.
 *
 * @throws the refusal of the reader when the first copy is missing or bad
 */
export const openFollowedList: OpenList = ({ reader, source, ...options }) =>
  openFollowedSource({
    ...options,
    file: source.file,
    load: async (closing) => new PackedRecords(await readList(reader, source, closing)),
    count: ({ size }) => size,
  });

/** The keys of `records` that `others` has not. Other work goes on between 250 keys and the next. */
export async function keysMissingIn(others: PackedRecords, records: PackedRecords): Promise<string[]> {
  const missing: string[] = [];
  for (let at = 0; at < records.size; at += 1) {
    if (at % SLICE === SLICE - 1) await nextTurn();
    const key = records.keyAt(at);
    if (!others.has(key)) missing.push(key);
  }
  return missing;
}
