import { Command, InvalidArgumentError } from 'commander';
import type { KeyState } from '../authorization-server/signing/key-states.ts';
import { type KeyPlace, PUBLISHED_AHEAD_SECONDS } from '../authorization-server/signing/keyring.ts';
import { readConfig } from './environment.ts';

interface RotationFlags {
  readonly config: string;
  readonly delay: number;
  readonly compromised?: true;
  readonly encryption?: true;
  readonly key?: readonly string[];
}

/** `tallystick keys`: the signing keys of a configuration, and new ones without a restart. */
export function keysCommand(): Command {
  const configured = (name: string) =>
    new Command(name).requiredOption('--config <file>', 'the configuration, YAML or JSON');
  const list = configured('list')
    .description('tell which keys sign, which come next and which are only published')
    .action((flags: { readonly config: string }) => withKeys(flags.config, (place) => place.states()));
  const rotate = configured('rotate')
    .description('add new keys; running servers publish them at once and sign with them after the delay')
    .option(
      '--delay <seconds>',
      'how long the new keys are only published',
      wholeSeconds,
      PUBLISHED_AHEAD_SECONDS,
    )
    .option('--encryption', 'make keys for encrypted request objects too, where there are none')
    .option('--compromised', 'drop the old keys at once: every token that they signed is refused')
    .option('--key <id...>', 'keys that were made in the KMS, with signingKeys.kms')
    .action((flags: RotationFlags) =>
      withKeys(flags.config, (place) =>
        place.rotate({
          delaySeconds: flags.delay,
          isCompromised: flags.compromised === true,
          withEncryption: flags.encryption === true,
          ...(flags.key === undefined ? {} : { keyIds: flags.key }),
        }),
      ),
    );
  return new Command('keys')
    .description('list or rotate the signing keys of a configuration')
    .addCommand(list)
    .addCommand(rotate);
}

async function withKeys(
  file: string,
  work: (place: KeyPlace) => Promise<readonly KeyState[]>,
): Promise<void> {
  const { silentLog, systemClock } = await import('../index.ts');
  const { openKeyPlace } = await import('../server/keys/opened-keyring.ts');
  const place = await openKeyPlace(await readConfig(file), { clock: systemClock, log: silentLog });
  try {
    print(await work(place));
  } finally {
    await place.close();
  }
}

function print(keys: readonly KeyState[]): void {
  for (const { kid, alg, state, from, name } of keys) {
    const more = [...(from === undefined ? [] : [`from ${from.toISOString()}`]), ...(name ? [name] : [])];
    console.log([kid, alg, state, ...more].join('  '));
  }
}

function wholeSeconds(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('It must be whole seconds.');
  return Number(text);
}
