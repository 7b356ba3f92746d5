import { readFileSync } from 'node:fs';
import { openBank } from '../durability/bank.ts';
import { type Contender, startGenerator, startOwn } from './tokens/contenders.ts';

/*
 * What a server holds in memory while it issues 200,000 tokens over mTLS, opaque and JWT, on SQLite: resident memory
 * after each 20,000. Flat means that the second half adds nothing to the first. Word after the name: how many tokens.
 */
const [, , , total = '200000'] = process.argv;
const STEPS = 10;
const bank = await openBank();
const generator = startGenerator(bank);

for (const format of ['opaque', 'jwt']) {
  const server = await startOwn(bank, `SQLite, ${format}`, { accessToken: { format } });
  const megabytes: number[] = [];
  let count = 0;
  for (let step = 1; step <= STEPS; step += 1) {
    while (count < (Number(total) / STEPS) * step) count += (await generator.burst(server, 1)).count;
    megabytes.push(residentMegabytes(server));
  }
  console.log(`${server.name}: ${count} tokens, MB resident after each tenth: ${megabytes.join(' ')}`);
  const ended = new Promise((resolve) => server.child.once('exit', resolve));
  server.child.kill('SIGTERM');
  await ended;
}
generator.close();
await bank.close();
process.exit();

function residentMegabytes({ child }: Contender): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}
