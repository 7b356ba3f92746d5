import { epochSeconds } from '../../clock.ts';
import type { Log } from '../../events.ts';
import { creationProblem, readOrCreate } from '../../files/created-file.ts';
import { openFollowedFile } from '../../files/followed-file.ts';
import { EncryptionKeys, isEncryptionKey, publishedEncryptionKey } from './encryption-keys.ts';
import {
  createSigningKeys,
  encryptionKeysInUse,
  invalidKeys,
  type KeptKey,
  parseKeys,
  signatureKeys,
} from './kept-keys.ts';
import type { Keyring } from './keyring.ts';
import { PresentedKeys } from './presented-keys.ts';
import { PrivateKeys } from './private-keys.ts';
import { type KeyFileOptions, rotateSigningKeys, signingKeyStates } from './signing-key-rotation.ts';

export interface SigningKeyringOptions extends KeyFileOptions {
  readonly log: Log;
  readonly pollSeconds?: number | undefined;
}

/** The clocks of hosts agree within a minute (docs/operate.md). */
const MAX_CLOCK_SECONDS = 60;

/**
 * Opens the signing keys of a file, and makes the file, with mode 0600, when there is none. Processes that start at once
 * get the same keys; a change of the file is taken up by all of them without a restart.
 *
 * @throws ERR_CONFIG_INVALID when the file is not a set of private keys for PS256, ES256 or EdDSA, or for encryption, with an
 * ES256 key that signs already
 */
export async function openSigningKeys(options: SigningKeyringOptions): Promise<Keyring> {
  const { file, place, clock, log, pollSeconds } = options;
  const now = () => epochSeconds(clock.now());
  const from = () => ({ source: file, place, now: now() });
  await readOrCreate(file, () => firstKeys(now())).catch((error: NodeJS.ErrnoException) => {
    throw invalidKeys(from(), creationProblem(error));
  });
  const followed = await openFollowedFile<LoadedKeys>({
    file,
    privateFile: { path: place ?? 'signingKeysFile', file },
    name: 'signing-keys',
    log,
    pollSeconds,
    parse: (content) => {
      const kept = parseKeys(content, from());
      try {
        return loadedKeys(kept);
      } catch (cause) {
        throw invalidKeys(from(), 'holds a key that is malformed', cause);
      }
    },
    unreadable: (cause) => invalidKeys(from(), `cannot be read: ${cause.code}`, cause),
    count: ({ kept }) => kept.length,
    onChange: ({ kept, signer }) => presented.replace(kept, signer),
  });
  const { kept, signer } = followed.current;
  const presented = new PresentedKeys(options, kept, signer);
  return {
    get keys() {
      return presented.keys;
    },
    sign: (kid, data) => followed.current.signer.sign(kid, data),
    encryption: {
      get keys() {
        return encryptionKeysInUse(followed.current.kept, now()).map(publishedEncryptionKey);
      },
      decrypt: (jwe, header) => followed.current.decrypter.decrypt(jwe, header),
    },
    follow: (use) => presented.follow(use),
    // A file that cannot be read leaves the last good keys in memory.
    problem: undefined,
    states: () => signingKeyStates(options),
    rotate: async (order) => {
      const states = await rotateSigningKeys({ ...options, ...order });
      await followed.reload();
      return states;
    },
    close: async () => {
      // First the file: a copy that comes into use sets the timer anew.
      await followed.close();
      presented.close();
    },
  };
}

interface LoadedKeys {
  readonly kept: readonly KeptKey[];
  /** Every key of the file; `presentKeys` decides which of them signs. */
  readonly signer: PrivateKeys;
  readonly decrypter: EncryptionKeys;
}

async function firstKeys(now: number): Promise<string> {
  const { keys } = await createSigningKeys();
  // Another host, whose clock is behind, may read the file at once.
  const useFrom = now - MAX_CLOCK_SECONDS;
  return `${JSON.stringify({ keys: keys.map((key) => ({ ...key, use_from: useFrom })) })}\n`;
}

/** @throws TypeError or an error of node:crypto for a malformed key */
function loadedKeys(kept: readonly KeptKey[]): LoadedKeys {
  const signer = new PrivateKeys(signatureKeys(kept));
  return { kept, signer, decrypter: new EncryptionKeys(kept.filter(isEncryptionKey)) };
}
