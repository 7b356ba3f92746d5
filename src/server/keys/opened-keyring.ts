import { EncryptionKeyFile } from '../../authorization-server/signing/encryption-key-file.ts';
import type { Keyring, KeyPlace } from '../../authorization-server/signing/keyring.ts';
import { Pkcs11Keys, type Pkcs11Options } from '../../authorization-server/signing/pkcs11/pkcs11-keys.ts';
import {
  type KeyFileOptions,
  rotateSigningKeys,
  signingKeyStates,
} from '../../authorization-server/signing/signing-key-rotation.ts';
import { openSigningKeys } from '../../authorization-server/signing/signing-keys.ts';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import type { Log } from '../../events.ts';

interface KeyParts {
  readonly clock: Clock;
  readonly log: Log;
}

type KeyConfig = Pick<Config, 'signingKeysFile' | 'signingKeys' | 'accessToken'>;

/**
 * Opens the place of the signing keys that the configuration names, for a server.
 *
 * @throws ERR_CONFIG_INVALID when the place cannot be used
 */
export async function openKeyring(config: KeyConfig, parts: KeyParts): Promise<Keyring> {
  const pkcs11 = pkcs11Of(config, parts);
  if (pkcs11 === undefined) return openSigningKeys({ ...keyFileOf(config, parts.clock), ...parts });
  const keys = await Pkcs11Keys.open(pkcs11);
  return keys.follow().catch(async (error: unknown) => {
    await keys.close();
    throw error;
  });
}

/** The same place for a command, which makes no signature. */
export async function openKeyPlace(config: KeyConfig, parts: KeyParts): Promise<KeyPlace> {
  const pkcs11 = pkcs11Of(config, parts);
  if (pkcs11 !== undefined) return Pkcs11Keys.open(pkcs11);
  const options = keyFileOf(config, parts.clock);
  return {
    states: () => signingKeyStates(options),
    rotate: (order) => rotateSigningKeys({ ...options, ...order }),
    close: () => Promise.resolve(),
  };
}

function pkcs11Of(config: KeyConfig, { clock, log }: KeyParts): Pkcs11Options | undefined {
  const { pkcs11, encryptionKeysFile: file } = config.signingKeys ?? {};
  if (pkcs11 === undefined) return undefined;
  const { keyLabel, timeoutMilliseconds, pollSeconds, ...token } = pkcs11;
  const retainSeconds = retainKeysSeconds(config);
  const encryption = new EncryptionKeyFile({ file, clock, retainSeconds });
  return { token, keyLabel, timeoutMilliseconds, pollSeconds, retainSeconds, encryption, clock, log };
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
