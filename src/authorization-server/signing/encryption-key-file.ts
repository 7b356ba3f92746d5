import { readFile } from 'node:fs/promises';
import { type Clock, epochSeconds } from '../../clock.ts';
import { invalidConfig } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { replaceFile } from '../../files/created-file.ts';
import { type FollowedFile, openFollowedFile } from '../../files/followed-file.ts';
import type { Decrypter } from './decrypter.ts';
import {
  createEncryptionKeys,
  EncryptionKeys,
  isEncryptionKey,
  publishedEncryptionKey,
} from './encryption-keys.ts';
import { encryptionKeysInUse, invalidKeys, type KeptKey, parseKeySet, presentKeys } from './kept-keys.ts';
import { type KeyState, statesOf } from './key-states.ts';
import type { RotationOrder } from './keyring.ts';

const PLACE = 'signingKeys.encryptionKeysFile';

export interface EncryptionKeyFileOptions {
  /** Absent: nothing can be encrypted to this server. */
  readonly file: string | undefined;
  readonly clock: Clock;
  readonly retainSeconds: number;
}

interface LoadedKeys {
  readonly kept: readonly KeptKey[];
  readonly decrypter: EncryptionKeys;
}

/** The keys for encryption to a server whose signing keys are in a token or a KMS: private keys of a file. */
export class EncryptionKeyFile {
  readonly #options: EncryptionKeyFileOptions;

  constructor(options: EncryptionKeyFileOptions) {
    this.#options = options;
  }

  /** @throws ERR_CONFIG_INVALID when the file is missing or bad */
  async open(log: Log): Promise<Decrypter & { close(): Promise<void> }> {
    const { file, clock } = this.#options;
    const followed: FollowedFile<LoadedKeys> | undefined =
      (file &&
        (await openFollowedFile<LoadedKeys>({
          file,
          privateFile: { path: PLACE, file },
          name: 'signing-keys',
          log,
          parse: (content) => loaded(content, file),
          unreadable: (cause) => {
            const message =
              cause.code === 'ENOENT'
                ? 'is not there: `tallystick keys rotate --encryption` makes it'
                : `cannot be read: ${cause.code}`;
            return invalidKeys({ source: file, place: PLACE }, message, cause);
          },
          count: ({ kept }) => kept.length,
        }))) ||
      undefined;
    return {
      get keys() {
        const kept = followed?.current.kept ?? [];
        return encryptionKeysInUse(kept, epochSeconds(clock.now())).map(publishedEncryptionKey);
      },
      decrypt: async (jwe, header) => {
        if (followed === undefined) throw new TypeError(`there is no key for ${header.alg}`);
        return followed.current.decrypter.decrypt(jwe, header);
      },
      close: async () => followed?.close(),
    };
  }

  async states(): Promise<readonly KeyState[]> {
    return statesOf(await this.#kept(), this.#now(), this.#options.retainSeconds);
  }

  /**
   * As for signing keys: rotates the keys where there are some, and makes some where the order says so.
   *
   * @throws ERR_CONFIG_INVALID when no file is named for them
   */
  async rotate({
    withEncryption = false,
    isCompromised = false,
    delaySeconds,
  }: RotationOrder): Promise<void> {
    const { file, retainSeconds } = this.#options;
    if (file === undefined) {
      if (!withEncryption) return;
      const message = 'must be set: keys for encryption are kept in a file';
      throw invalidConfig('keys rotate', [{ path: PLACE, message }]);
    }
    const kept = await this.#kept();
    if (kept.length === 0 && !withEncryption) return;
    const now = this.#now();
    // First keys have no predecessor to stand in for them.
    const useFromAt = isCompromised || kept.length === 0 ? now : now + delaySeconds;
    const added = (await createEncryptionKeys()).map((key) => ({ ...key, use_from: useFromAt }));
    const needed = new Set(presentKeys(kept, now, retainSeconds).map(({ kid }) => kid));
    const keys = isCompromised ? added : [...kept.filter(({ kid }) => needed.has(kid)), ...added];
    await replaceFile(file, `${JSON.stringify({ keys })}\n`);
  }

  async #kept(): Promise<readonly KeptKey[]> {
    const { file } = this.#options;
    if (file === undefined) return [];
    const content = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return undefined;
    });
    return content === undefined ? [] : loaded(content, file).kept;
  }

  #now(): number {
    return epochSeconds(this.#options.clock.now());
  }
}

function loaded(content: string, source: string): LoadedKeys {
  const from = { source, place: PLACE };
  const kept = parseKeySet(content, from, {
    isKey: (key) => isEncryptionKey(key) && Boolean(key.kid) && Boolean(key.d),
    rule: 'every key must be private and have a kid, the use enc and an alg of RSA-OAEP-256 or ECDH-ES',
  });
  try {
    return { kept, decrypter: new EncryptionKeys(kept) };
  } catch (cause) {
    throw invalidKeys(from, 'holds a key that is malformed', cause);
  }
}
