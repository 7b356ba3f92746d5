export { isRefusal, OpenBankingError } from '../src/errors.ts';
export {
  type EventDefinition,
  type EventFields,
  type EventName,
  type EventSink,
  type Log,
  logTo,
} from '../src/events.ts';
export { type FileRegistry, type FileRegistryOptions, openFileRegistry } from './file-source.ts';
export {
  CombinedRegistry,
  type CombinedRegistryOptions,
  type DifferenceRule,
  type PublicSource,
} from './combined.ts';
export { canonicalNca, sameNca } from './nca.ts';
export { parseTppRecords, type PspRole, type TppRecord, type TppStatus } from './record.ts';
export { createRegistry, type TppRegistry } from './registry.ts';
export { EbaSource, type EbaSourceOptions, type RegisterOverride } from './sources/eba/eba-source.ts';
export type { EbaEntity, EntityType } from './sources/eba/entity.ts';
export { parseOverrides } from './sources/eba/overrides.ts';
export {
  type EbaRefreshOptions,
  importEbaRegister,
  keptRegister,
  refreshEbaRegister,
} from './sources/eba/refresh.ts';
export type { RegisterCopy, RegisterState } from './sources/eba/register-file.ts';
export { FileSource } from './sources/file-source.ts';
export type { DirectoryCopy, DirectoryState } from './sources/uk-directory/directory-file.ts';
export type { FetchKeyStore } from './sources/uk-directory/key-stores.ts';
export type { DirectoryKey, Participant, SoftwareStatement } from './sources/uk-directory/participant.ts';
export {
  type DirectoryConnection,
  type DirectoryRefreshOptions,
  importUkDirectory,
  keptDirectory,
  refreshUkDirectory,
} from './sources/uk-directory/refresh.ts';
export { UkDirectorySource } from './sources/uk-directory/uk-directory-source.ts';
export type { RegistrySource, SourceStatement } from './source.ts';
