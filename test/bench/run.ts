import { readdirSync } from 'node:fs';
import { endBySignal } from './tokens/end-by-signal.ts';

// `npm run bench` names the benchmarks; `npm run bench -- NAME` runs one: `NAME.ts`, or `NAME/bench.ts`.
const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' });
const benchmarks = new Map(
  files.flatMap((file) => {
    const [, name] = /^([a-z-]+)(?:\/bench)?\.ts$/.exec(file.replaceAll('\\', '/')) ?? [];
    return name === undefined || name === 'run' ? [] : [[name, file]];
  }),
);
const name = process.argv[2];
const file = benchmarks.get(name ?? '');
endBySignal();
if (file !== undefined) await import(`./${file}`);
else console.log(`npm run bench -- NAME, where NAME is one of: ${[...benchmarks.keys()].sort().join(', ')}`);
