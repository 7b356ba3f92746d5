import { openFileRegistry, parseTppRecords, type TppRecord } from '@tallystick/tpp-registry';

const records: readonly TppRecord[] = parseTppRecords('tpps: []', { source: 'here' });
const registry = await openFileRegistry({ file: process.argv[2] ?? '' });
console.log(records.length + registry.list().length);
await registry.close();
