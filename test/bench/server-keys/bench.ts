import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority } from '../../../src/sandbox/pki/pki.ts';
import { openBank } from '../../durability/bank.ts';
import { type Contender, cpuSecondsOf, median, startGenerator, startOwn } from '../tokens/contenders.ts';

/*
 * Fresh mutual TLS connections with one token each, to a server whose certificate has an RSA key, and to one with an EC key.
 * They take turns in each round. Words after the name: rounds and seconds.
 */
const [, , , rounds = '5', seconds = '2'] = process.argv;
const bank = await openBank();
const validity = {
  notBefore: new Date(Date.now() - 86_400_000),
  notAfter: new Date(Date.now() + 86_400_000),
};
const authority = await createAuthority({ name: 'Bench', ...validity });
const caFile = join(bank.folder, 'bench-ca.pem');
writeFileSync(caFile, authority.certificatePem);

const started: Contender[] = [];
for (const keyType of ['rsa-2048', 'ec-p256'] as const) {
  const subject = { commonName: 'localhost' };
  const server = await authority.issue({ profile: 'server', subject, keyType, ...validity });
  const files = { certificateFile: `bench-${keyType}.pem`, privateKeyFile: `bench-${keyType}.key` };
  writeFileSync(join(bank.folder, files.certificateFile), server.certificatePem);
  writeFileSync(join(bank.folder, files.privateKeyFile), server.privateKeyPem, { mode: 0o600 });
  started.push(await startOwn(bank, keyType, { tls: files, accessToken: { format: 'jwt' } }));
}
const generator = startGenerator(bank);
const rates = started.map((): number[] => []);
const costs = started.map((): number[] => []);
let errors = 0;
for (let round = -1; round < Number(rounds); round += 1) {
  for (const [at, contender] of started.entries()) {
    const before = cpuSecondsOf(contender);
    const tally = await generator.burst(contender, Number(seconds), { isFresh: true, caFile });
    const used = cpuSecondsOf(contender) - before;
    errors += tally.errors;
    // The first round warms.
    if (round < 0) continue;
    rates[at]?.push(tally.count / tally.seconds);
    costs[at]?.push((used / tally.count) * 1e6);
  }
}
for (const [at, { name }] of started.entries()) {
  const [rate, cost] = [median(rates[at] ?? []), median(costs[at] ?? [])].map(Math.round);
  console.log(`${name}: ${rate} connections with a token a second, ${cost} us of CPU each`);
}
const ratio = ([of = [], to = []]: readonly (readonly number[])[]) =>
  median(to.map((value, at) => value / (of[at] ?? Number.NaN))).toFixed(2);
console.log(`EC / RSA: ${ratio(rates)} x the connections, ${ratio(costs)} x the CPU each`);
console.log(`${errors} errors`);
generator.close();
for (const { child } of started) child.kill('SIGKILL');
await bank.close();
process.exit();
