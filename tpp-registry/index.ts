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
export { canonicalNca, sameNca } from './nca.ts';
export { parseTppRecords, type PspRole, type TppRecord, type TppStatus } from './record.ts';
export { createRegistry, type TppRegistry } from './registry.ts';
