import { extname } from 'node:path';
import { OpenBankingError } from '../../../src/errors.ts';
import type { ListReader } from '../../../src/files/list-reader.ts';
import type { PackedRecords } from '../../../src/files/packed-records.ts';
import { readRegister, type RegisterCopy } from './register-file.ts';

const STATE = 'state';
const ENTITY = 'entity';

/** Reads the file of a folder that has the institutions of the EBA register. */
export const ebaRegisterReader: ListReader = {
  // The module's file ends as this one does: .ts from source, .js when built.
  worker: new URL(`./register-worker${extname(import.meta.url)}`, import.meta.url),
  read: (content, { file }, add) => {
    const { state, entities } = readRegister(Buffer.from(content).toString('utf8'), file);
    add(STATE, state);
    for (const entity of entities) add(ENTITY, entity);
  },
  invalid: (problems, { file }, cause) =>
    new OpenBankingError('ERR_REGISTRY_INVALID', { source: file, problems }, { cause }),
};

/** The copy that `ebaRegisterReader` packed: JSON has made texts of its dates. */
export function unpackedRegister(records: PackedRecords): RegisterCopy {
  const [state, ...entities] = records.records() as [RegisterCopy['state'], ...RegisterCopy['entities']];
  const { askedAt, fetchedAt, snapshotAt } = state;
  return {
    state: {
      ...state,
      askedAt: new Date(askedAt),
      fetchedAt: new Date(fetchedAt),
      snapshotAt: new Date(snapshotAt),
    },
    entities,
  };
}
