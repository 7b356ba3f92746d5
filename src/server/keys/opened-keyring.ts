import { EncryptionKeyFile } from '../../authorization-server/signing/encryption-key-file.ts';
import type { Keyring, KeyPlace } from '../../authorization-server/signing/keyring.ts';
import { AwsKms } from '../../authorization-server/signing/kms/aws-kms.ts';
import { KmsKeys } from '../../authorization-server/signing/kms/kms-keys.ts';
import { Pkcs11Keys } from '../../authorization-server/signing/pkcs11/pkcs11-keys.ts';
import {
  RotationSchedule,
  type RotationScheduleOptions,
} from '../../authorization-server/signing/rotation-schedule.ts';
import {
  type KeyFileOptions,
  rotateSigningKeys,
  signingKeyStates,
} from '../../authorization-server/signing/signing-key-rotation.ts';
import { openSigningKeys } from '../../authorization-server/signing/signing-keys.ts';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { caPemOf, proxyOf } from '../../configuration/outbound-schema.ts';
import type { Log } from '../../events.ts';

interface KeyParts {
  readonly clock: Clock;
  readonly log: Log;
}

type KeyConfig = Pick<Config, 'signingKeysFile' | 'signingKeys' | 'accessToken' | 'outbound'>;

/**
 * Opens the place of the signing keys that the configuration names, for a server.
 *
 * @throws ERR_CONFIG_INVALID when the place cannot be used
 */
export async function openKeyring(config: KeyConfig, parts: KeyParts): Promise<Keyring> {
  const keys = await outsideKeys(config, parts);
  if (keys === undefined) return openSigningKeys({ ...keyFileOf(config, parts.clock), ...parts });
  return keys.follow().catch(async (error: unknown) => {
    await keys.close();
    throw error;
  });
}

/** Starts the schedule of rotations, where the configuration has one. */
export function startRotations(
  { signingKeys }: Pick<Config, 'signingKeys'>,
  parts: Omit<RotationScheduleOptions, 'rotateDays'>,
): Pick<RotationSchedule, 'close'> {
  const rotateDays = signingKeys?.rotateDays;
  if (rotateDays === undefined) return { close: () => Promise.resolve() };
  return new RotationSchedule({ ...parts, rotateDays });
}

/** The same place for a command, which makes no signature. */
export async function openKeyPlace(config: KeyConfig, parts: KeyParts): Promise<KeyPlace> {
  const keys = await outsideKeys(config, parts);
  if (keys !== undefined) return keys;
  const options = keyFileOf(config, parts.clock);
  return {
    states: () => signingKeyStates(options),
    rotate: (order) => rotateSigningKeys({ ...options, ...order }),
    close: () => Promise.resolve(),
  };
}

/** Keys that are kept outside this program; undefined for a file. */
async function outsideKeys(
  config: KeyConfig,
  { clock, log }: KeyParts,
): Promise<Pkcs11Keys | KmsKeys | undefined> {
  const { pkcs11, kms, encryptionKeysFile: file } = config.signingKeys ?? {};
  const retainSeconds = retainKeysSeconds(config);
  const encryption = new EncryptionKeyFile({ file, clock, retainSeconds });
  const common = { retainSeconds, encryption, clock, log };
  if (pkcs11 !== undefined) {
    const { keyLabel, timeoutMilliseconds, pollSeconds, ...token } = pkcs11;
    return Pkcs11Keys.open({ token, keyLabel, timeoutMilliseconds, pollSeconds, ...common });
  }
  if (kms === undefined) return undefined;
  const { keysFile, caFile, ...settings } = kms;
  const caPem = caFile === undefined ? undefined : caPemOf(caFile, 'signingKeys.kms.caFile');
  const service = new AwsKms({ ...settings, caPem, proxy: proxyOf(config.outbound), clock, log });
  return new KmsKeys({ keysFile, service, ...common });
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
