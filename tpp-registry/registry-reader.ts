import { extname } from 'node:path';
import { OpenBankingError } from '../src/errors.ts';
import type { ListReader } from '../src/files/list-reader.ts';
import { frozenRecord, readTppRecords, type TppRecord, type WrittenTppRecord } from './record.ts';

/** Reads a registry, by organization identifier. */
export const registryReader: ListReader = {
  // The module's file ends as this one does: .ts from source, .js when built.
  worker: new URL(`./registry-worker${extname(import.meta.url)}`, import.meta.url),
  read: (content, { file }, add) =>
    readTppRecords(content, { source: file }, (one) => add(one.authorizationNumber, one)),
  invalid: (problems, { file }, cause) =>
    new OpenBankingError('ERR_REGISTRY_INVALID', { source: file, problems }, { cause }),
};

/** A record that `registryReader` added: JSON has made a text of its date. */
export function unpackedRecord(packed: unknown): TppRecord {
  const record = packed as WrittenTppRecord & { readonly statusSince: string | Date };
  return frozenRecord({ ...record, statusSince: new Date(record.statusSince) });
}
