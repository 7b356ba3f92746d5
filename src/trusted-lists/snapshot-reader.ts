import { extname } from 'node:path';
import { OpenBankingError } from '../errors.ts';
import type { ListReader } from '../files/list-reader.ts';
import type { PackedRecords } from '../files/packed-records.ts';
import { readSnapshot, type TrustedListSnapshot, writeSnapshot } from './snapshot.ts';

const KEY = 'snapshot';

/** Reads the file of a `ListFolder` that has what was proved of all lists. */
export const trustedListReader: ListReader = {
  // The module's file ends as this one does: .ts from source, .js when built.
  worker: new URL(`./snapshot-worker${extname(import.meta.url)}`, import.meta.url),
  read: (content, { file }, add) =>
    add(KEY, writeSnapshot(readSnapshot(Buffer.from(content).toString('utf8'), file))),
  invalid: (problems, { file }, cause) =>
    new OpenBankingError('ERR_TRUSTED_LIST_SNAPSHOT', { source: file, problems }, { cause }),
};

/** The snapshot that `trustedListReader` added. */
export function unpackedSnapshot(records: PackedRecords): TrustedListSnapshot {
  const [text] = records.find(KEY);
  return readSnapshot(String(text), KEY);
}
