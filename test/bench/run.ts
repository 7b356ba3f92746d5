import { readdirSync } from 'node:fs';

// `npm run bench` names the benchmarks; `npm run bench -- NAME` runs one.
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -'.ts'.length));
const name = process.argv[2];
if (name !== undefined && names.includes(name)) await import(`./${name}.ts`);
else console.log(`npm run bench -- NAME, where NAME is one of: ${names.join(', ')}`);
