import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CREDENTIALS } from '../../authorization-server/signing/kms/kms-server.ts';
import { NO_SOFT_HSM, TestToken } from '../../authorization-server/signing/pkcs11/soft-hsm.ts';
import { openBank } from '../../durability/bank.ts';
import { type Contender, cpuSecondsOf, median, startGenerator, startOwn } from '../tokens/contenders.ts';

/*
 * JWT access tokens (ES256) over mTLS with keys of a file, of a token (SoftHSM) and of a KMS on this machine, in turns.
 * CPU is that of the server with its processes, and so that of SoftHSM; that of the KMS is not counted. Words after the
 * name: rounds and seconds.
 */
const [, , , rounds = '5', seconds = '2'] = process.argv;
const WARM_TOKENS = 4000;
const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const bank = await openBank();
const inFolder = (name: string) => join(bank.folder, name);
const kms = fork(fileURLToPath(new URL('./kms-child.ts', import.meta.url)), { execArgv: [] });
const [{ url, caPem }] = await once(kms, 'message');
const {
  accessKeyId: AccessKeyId,
  secretAccessKey: SecretAccessKey,
  sessionToken: SessionToken,
} = CREDENTIALS;
const credentials = JSON.stringify({ AccessKeyId, SecretAccessKey, SessionToken });
writeFileSync(inFolder('kms-credentials.json'), credentials, { mode: 0o600 });
writeFileSync(inFolder('kms-ca.pem'), caPem);
const token = NO_SOFT_HSM === undefined ? await TestToken.create() : undefined;

const files = { credentialsFile: 'kms-credentials.json', keysFile: 'kms-keys.json', caFile: 'kms-ca.pem' };
const places = {
  file: { file: 'bank.keys.json' },
  ...(token === undefined
    ? {}
    : {
        SoftHSM: {
          pkcs11: { moduleFile: token.moduleFile, tokenLabel: token.label, pinFile: token.pinFile },
        },
      }),
  KMS: { kms: { region: 'eu-central-1', url, ...files } },
};

/** A server whose first keys were made as docs/keys.md says. */
async function startWith(name: string, signingKeys: object): Promise<Contender> {
  const more = {
    signingKeysFile: undefined,
    signingKeys,
    storage: { file: `${name}.sqlite`, secretFile: 'bank.secret' },
  };
  const file = inFolder(`keys-${name}.json`);
  writeFileSync(file, JSON.stringify(bank.configuration({ front: 0, mtls: 0, health: 0 }, more)));
  const named = name === 'KMS' ? ['--key', 'one', 'two'] : [];
  if (name !== 'file') execFileSync(process.execPath, [MAIN, 'keys', 'rotate', '--config', file, ...named]);
  return startOwn(bank, `keys of ${name}`, { ...more, accessToken: { format: 'jwt' } });
}

const started: Contender[] = [];
for (const [name, place] of Object.entries(places)) started.push(await startWith(name, place));
const generator = startGenerator(bank);
for (const contender of started) {
  for (let count = 0, tries = 0; count < WARM_TOKENS && tries < 10; tries += 1)
    count += (await generator.burst(contender, 1, { connections: 32 })).count;
}
const found = started.map(() => ({ rates: [] as number[], costs: [] as number[], p99: [] as number[] }));
let errors = 0;
for (let round = 0; round < Number(rounds); round += 1) {
  for (const [at, contender] of started.entries()) {
    const before = cpuSecondsOf(contender);
    const tally = await generator.burst(contender, Number(seconds));
    errors += tally.errors;
    found[at]?.rates.push(tally.count / tally.seconds);
    found[at]?.costs.push(((cpuSecondsOf(contender) - before) / tally.count) * 1e6);
    found[at]?.p99.push(tally.p99);
  }
}
const [file] = found;
for (const [at, { name }] of started.entries()) {
  const { rates = [], costs = [], p99 = [] } = found[at] ?? {};
  const [share, cpu] = [
    median(rates) / median(file?.rates ?? []),
    median(costs) / median(file?.costs ?? []),
  ].map((one) => one.toFixed(2));
  console.log(
    `${name}: ${Math.round(median(rates))} tokens/s (${share} x), ${Math.round(median(costs))} us of CPU each (${cpu} x), p99 ${median(p99).toFixed(1)} ms`,
  );
}
console.log(`${errors} errors`);
generator.close();
kms.kill();
for (const { child } of started) {
  // The process of a token ends with its server.
  child.kill('SIGTERM');
  await once(child, 'exit');
}
await token?.remove();
await bank.close();
process.exit();
