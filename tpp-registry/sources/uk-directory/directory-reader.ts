import { extname } from 'node:path';
import { OpenBankingError } from '../../../src/errors.ts';
import type { ListReader } from '../../../src/files/list-reader.ts';
import type { PackedRecords } from '../../../src/files/packed-records.ts';
import { type DirectoryCopy, readDirectory } from './directory-file.ts';

const STATE = 'state';
const PARTICIPANT = 'participant';

/** Reads the file of a folder that has the participants of the UK directory. */
export const ukDirectoryReader: ListReader = {
  // The module's file ends as this one does: .ts from source, .js when built.
  worker: new URL(`./directory-worker${extname(import.meta.url)}`, import.meta.url),
  read: (content, { file }, add) => {
    const { state, participants } = readDirectory(Buffer.from(content).toString('utf8'), file);
    add(STATE, state);
    for (const participant of participants) add(PARTICIPANT, participant);
  },
  invalid: (problems, { file }, cause) =>
    new OpenBankingError('ERR_REGISTRY_INVALID', { source: file, problems }, { cause }),
};

/** The copy that `ukDirectoryReader` packed: JSON has made texts of its dates. */
export function unpackedDirectory(records: PackedRecords): DirectoryCopy {
  const [state, ...participants] = records.records() as [
    DirectoryCopy['state'],
    ...DirectoryCopy['participants'],
  ];
  const { askedAt, fetchedAt } = state;
  return {
    state: { ...state, askedAt: new Date(askedAt), fetchedAt: new Date(fetchedAt) },
    participants,
  };
}
