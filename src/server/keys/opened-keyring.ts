import type { Keyring, KeyPlace } from '../../authorization-server/signing/keyring.ts';
import {
  type KeyFileOptions,
  rotateSigningKeys,
  signingKeyStates,
} from '../../authorization-server/signing/signing-key-rotation.ts';
import { openSigningKeys } from '../../authorization-server/signing/signing-keys.ts';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import type { Log } from '../../events.ts';

type KeyConfig = Pick<Config, 'signingKeysFile' | 'signingKeys' | 'accessToken'>;

/**
 * Opens the place of the signing keys that the configuration names, for a server.
 *
 * @throws ERR_CONFIG_INVALID when the place cannot be used
 */
export function openKeyring(
  config: KeyConfig,
  parts: { readonly clock: Clock; readonly log: Log },
): Promise<Keyring> {
  return openSigningKeys({ ...keyFileOf(config, parts.clock), ...parts });
}

/** The same place for a command, which makes no signature. */
export async function openKeyPlace(
  config: KeyConfig,
  { clock }: { readonly clock: Clock; readonly log: Log },
): Promise<KeyPlace> {
  const options = keyFileOf(config, clock);
  return {
    states: () => signingKeyStates(options),
    rotate: (order) => rotateSigningKeys({ ...options, ...order }),
    close: () => Promise.resolve(),
  };
}

function keyFileOf({ signingKeysFile, signingKeys, accessToken }: KeyConfig, clock: Clock): KeyFileOptions {
  const file = signingKeysFile ?? signingKeys?.file ?? '';
  const place = signingKeysFile === undefined ? 'signingKeys.file' : 'signingKeysFile';
  return { file, place, clock, retainSeconds: retainKeysSeconds({ accessToken }) };
}

/** Longest life of what a signing key has signed, with a margin for clocks. */
function retainKeysSeconds({ accessToken }: Pick<Config, 'accessToken'>): number {
  return Math.max(accessToken.lifetimeSeconds, 600) + 300;
}
