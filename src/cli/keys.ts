import { Command, InvalidArgumentError } from 'commander';
import type { KeyState, RotationOptions } from '../authorization-server/signing/signing-key-rotation.ts';

/** Longer than the JWKS may be cached (300 s), and than servers need to read the file. */
const DELAY_SECONDS = 600;

/** `tallystick keys`: the signing keys of a configuration, and new ones without a restart. */
export function keysCommand(): Command {
  const configured = (name: string) =>
    new Command(name).requiredOption('--config <file>', 'the configuration, YAML or JSON');
  const list = configured('list')
    .description('tell which keys sign, which come next and which are only published')
    .action(async (flags: { readonly config: string }) => {
      const { signingKeyStates } = await import('../authorization-server/signing/signing-key-rotation.ts');
      print(await signingKeyStates(await rotationOf(flags.config)));
    });
  const rotate = configured('rotate')
    .description('add new keys; running servers publish them at once and sign with them after the delay')
    .option('--delay <seconds>', 'how long the new keys are only published', wholeSeconds, DELAY_SECONDS)
    .option('--encryption', 'make keys for encrypted request objects too, where there are none')
    .option('--compromised', 'drop the old keys at once: every token that they signed is refused')
    .action(
      async (flags: {
        readonly config: string;
        readonly delay: number;
        readonly compromised?: true;
        readonly encryption?: true;
      }) => {
        const { rotateSigningKeys } = await import('../authorization-server/signing/signing-key-rotation.ts');
        const options = await rotationOf(flags.config);
        print(
          await rotateSigningKeys({
            ...options,
            delaySeconds: flags.delay,
            isCompromised: flags.compromised === true,
            withEncryption: flags.encryption === true,
          }),
        );
      },
    );
  return new Command('keys')
    .description('list or rotate the signing keys of a configuration')
    .addCommand(list)
    .addCommand(rotate);
}

async function rotationOf(file: string): Promise<Omit<RotationOptions, 'delaySeconds'>> {
  const { loadConfig, systemClock } = await import('../index.ts');
  const { retainKeysSeconds } = await import('../server/opened-server.ts');
  const config = await loadConfig(file);
  return { file: config.signingKeysFile, clock: systemClock, retainSeconds: retainKeysSeconds(config) };
}

function print(keys: readonly KeyState[]): void {
  for (const { kid, alg, state, from } of keys) {
    console.log([kid, alg, state, ...(from === undefined ? [] : [`from ${from.toISOString()}`])].join('  '));
  }
}

function wholeSeconds(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('It must be whole seconds.');
  return Number(text);
}
