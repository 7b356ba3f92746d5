import { readFile } from 'node:fs/promises';
import { type Clock, epochSeconds } from '../../clock.ts';
import { invalidConfig } from '../../errors.ts';
import { replaceFile } from '../../files/created-file.ts';
import { createEncryptionKeys, isEncryptionKey } from './encryption-keys.ts';
import { createSigningKeys, type KeptKey, parseKeys, presentKeys } from './kept-keys.ts';
import { type KeyState, statesOf } from './key-states.ts';
import type { RotationOrder } from './keyring.ts';

/** A file of private keys. */
export interface KeyFileOptions {
  readonly file: string;
  /** The field of the configuration that names the file. Default `signingKeysFile`. */
  readonly place?: string | undefined;
  readonly clock: Clock;
  /** How long a key that has a successor stays published. */
  readonly retainSeconds: number;
}

/**
 * Adds new keys to the file; running servers load them. Keys whose signatures have all expired are removed from the
 * file.
 *
 * @throws ERR_CONFIG_INVALID when `openSigningKeys` would refuse the file, or keys of a KMS are named
 */
export async function rotateSigningKeys(
  options: KeyFileOptions & RotationOrder,
): Promise<readonly KeyState[]> {
  const { file, retainSeconds, isCompromised = false, withEncryption = false, keyIds = [] } = options;
  if (keyIds.length > 0) {
    const message = 'the keys are kept in a file, which takes no keys by name';
    throw invalidConfig(file, [{ path: 'key', message }]);
  }
  const { now, kept } = await keysOf(options);
  const useFromAt = isCompromised ? now : now + options.delaySeconds;
  const from = (seconds: number) => (key: KeptKey) => ({ ...key, use_from: seconds });
  const hasEncryption = kept.some(isEncryptionKey);
  const encryption = hasEncryption || withEncryption ? await createEncryptionKeys() : [];
  const added: KeptKey[] = [
    ...(await createSigningKeys()).keys.map(from(useFromAt)),
    // Decrypts at once. First keys have no predecessor to stand in for them.
    ...encryption.map(from(hasEncryption ? useFromAt : now)),
  ];
  const needed = new Set(presentKeys(kept, now, retainSeconds).map(({ kid }) => kid));
  const keys = isCompromised ? added : [...kept.filter(({ kid }) => needed.has(kid)), ...added];
  await replaceFile(file, `${JSON.stringify({ keys })}\n`);
  return statesOf(keys, now, retainSeconds);
}

/** The keys of the file, each with its present state. */
export async function signingKeyStates(options: KeyFileOptions): Promise<readonly KeyState[]> {
  const { now, kept } = await keysOf(options);
  return statesOf(kept, now, options.retainSeconds);
}

async function keysOf({ file, place, clock }: KeyFileOptions) {
  const now = epochSeconds(clock.now());
  return { now, kept: parseKeys(await readFile(file, 'utf8'), { source: file, place, now }) };
}
