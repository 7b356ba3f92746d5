export { type FileRegistry, type FileRegistryOptions, openFileRegistry } from './file-source.ts';
export { canonicalNca, sameNca } from './nca.ts';
export { parseTppRecords, type PspRole, type TppRecord, type TppStatus } from './record.ts';
export { createRegistry, type TppRegistry } from './registry.ts';
