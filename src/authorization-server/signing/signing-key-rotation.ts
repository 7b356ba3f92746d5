import { readFile } from 'node:fs/promises';
import { type Clock, epochSeconds } from '../../clock.ts';
import { replaceFile } from '../../files/created-file.ts';
import { createEncryptionKeys, isEncryptionKey } from './encryption-keys.ts';
import { createSigningKeys, type KeptKey, parseKeys, presentKeys, useFrom } from './signing-keys.ts';

export interface RotationOptions {
  readonly file: string;
  readonly clock: Clock;
  /** From writing the new keys to their first signature: longer than a copy of our JWKS is kept anywhere. */
  readonly delaySeconds: number;
  /** How long a key that has a successor stays published. */
  readonly retainSeconds: number;
  /** The old keys are known to others: the new ones sign at once, and every signature of the old ones is refused. */
  readonly isCompromised?: boolean;
  /** Makes keys for encryption to this server, where the file has none. Where it has some, they rotate as well. */
  readonly withEncryption?: boolean;
}

/** A key of the file, without its secrets. */
export interface KeyState {
  readonly kid: string;
  readonly alg: string;
  readonly state: 'next' | 'signing' | 'encrypting' | 'published' | 'over';
  /** The time from which the key signs, or clients encrypt to it; undefined for a first key. */
  readonly from?: Date;
}

/**
 * Adds new keys to the file; running servers load them. Keys whose signatures have all expired are removed from the
 * file.
 *
 * @throws ERR_CONFIG_INVALID when `openSigningKeys` would refuse the file
 */
export async function rotateSigningKeys(options: RotationOptions): Promise<readonly KeyState[]> {
  const { file, clock, retainSeconds, isCompromised = false, withEncryption = false } = options;
  const now = epochSeconds(clock.now());
  const kept = parseKeys(await readFile(file, 'utf8'), { source: file, now });
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
export async function signingKeyStates(
  options: Pick<RotationOptions, 'file' | 'clock' | 'retainSeconds'>,
): Promise<readonly KeyState[]> {
  const now = epochSeconds(options.clock.now());
  const kept = parseKeys(await readFile(options.file, 'utf8'), { source: options.file, now });
  return statesOf(kept, now, options.retainSeconds);
}

function statesOf(kept: readonly KeptKey[], now: number, retainSeconds: number): readonly KeyState[] {
  const present = presentKeys(kept, now, retainSeconds);
  return kept.map((key) => ({
    kid: key.kid ?? '',
    alg: key.alg ?? '',
    state: stateOf(key),
    ...(key.use_from === undefined ? {} : { from: new Date(key.use_from * 1000) }),
  }));

  function stateOf(key: KeptKey): KeyState['state'] {
    if (useFrom(key) > now) return 'next';
    if (present.find(({ alg }) => alg === key.alg)?.kid === key.kid) {
      return isEncryptionKey(key) ? 'encrypting' : 'signing';
    }
    return present.some(({ kid }) => kid === key.kid) ? 'published' : 'over';
  }
}
