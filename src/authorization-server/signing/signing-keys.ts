import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import { type Clock, epochSeconds } from '../../clock.ts';
import { creationProblem, readOrCreate } from '../../files/created-file.ts';
import { invalidConfig, type OpenBankingError } from '../../errors.ts';
import { openFollowedFile } from '../../files/followed-file.ts';
import type { Log } from '../../events.ts';
import type { Decrypter } from './decrypter.ts';
import { EncryptionKeys, isEncryptionKey, publishedEncryptionKey } from './encryption-keys.ts';
import { isSignatureAlgorithm, PrivateKeys, publishedKey } from './private-keys.ts';
import type { FollowedSigner } from './signer.ts';

/**
 * A key of the file. The key signs from `use_from` on (epoch seconds; none: always). Before, the key is only
 * published, so that resource servers have it before its first signature. A key for encryption decrypts always, and is
 * published from `use_from` on.
 */
export interface KeptKey extends JWK {
  readonly use_from?: number;
}

export interface SigningKeyringOptions {
  /** JSON Web Key Set; made, with mode 0600, when there is none. */
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Seconds that a replaced key stays published: at least the longest life of a token that it signed. */
  readonly retainSeconds: number;
  readonly pollSeconds?: number | undefined;
}

/** Below the longest delay of setTimeout (2^31 ms). */
const MAX_TIMER_SECONDS = 86_400;
const generate = promisify(generateKeyPair);

/** Makes a new set: one ES256 key (access tokens, ID tokens) and one PS256 key (clients that ask for it). */
export async function createSigningKeys(): Promise<{ readonly keys: readonly JWK[] }> {
  const [elliptic, rsa] = await Promise.all([
    generate('ec', { namedCurve: 'P-256' }),
    generate('rsa', { modulusLength: 3072 }),
  ]);
  return {
    keys: await Promise.all([
      signingJwk(await exportJWK(elliptic.privateKey), 'ES256'),
      signingJwk(await exportJWK(rsa.privateKey), 'PS256'),
    ]),
  };
}

/**
 * Opens the signing keys of a file, and makes the file when there is none. Processes that start at once get the
 * same keys; a change of the file is taken up by all of them without a restart.
 *
 * @throws ERR_CONFIG_INVALID when the file is not a set of private keys for PS256, ES256 or EdDSA, or for encryption, with an
 * ES256 key that signs already
 */
export async function openSigningKeys(options: SigningKeyringOptions): Promise<Keyring> {
  const { file, clock, log, retainSeconds, pollSeconds } = options;
  await readOrCreate(file, async () => `${JSON.stringify(await createSigningKeys())}\n`).catch(
    (error: NodeJS.ErrnoException) => {
      throw invalid(file, creationProblem(error));
    },
  );
  const listeners = new Set<Parameters<FollowedSigner['follow']>[0]>();
  let turn: NodeJS.Timeout | undefined;
  const now = () => epochSeconds(clock.now());
  const present = () =>
    presentKeys(signatureKeys(followed.current.kept), now(), retainSeconds).map(publishedKey);
  const notify = () => {
    for (const use of listeners) use(present(), followed.current.signer);
    clearTimeout(turn);
    const next = nextTurn(followed.current.kept, now(), retainSeconds);
    if (next !== undefined) {
      turn = setTimeout(notify, Math.min(next - now(), MAX_TIMER_SECONDS) * 1000).unref();
    }
  };
  const followed = await openFollowedFile<LoadedKeys>({
    file,
    name: 'signing-keys',
    log,
    pollSeconds,
    parse: (content) => loadedKeys(parseKeys(content, { source: file, now: now() }), file),
    unreadable: (cause) => invalid(file, `cannot be read: ${cause.code}`, cause),
    count: ({ kept }) => kept.length,
    onChange: notify,
  });
  notify();
  return {
    get keys() {
      return present();
    },
    sign: (kid, data) => followed.current.signer.sign(kid, data),
    encryption: {
      get keys() {
        return encryptionKeysInUse(followed.current.kept, now()).map(publishedEncryptionKey);
      },
      decrypt: (jwe, header) => followed.current.decrypter.decrypt(jwe, header),
    },
    follow: (use) => {
      listeners.add(use);
      use(present(), followed.current.signer);
    },
    close: async () => {
      // First the file: a copy that comes into use sets the timer anew.
      await followed.close();
      clearTimeout(turn);
    },
  };
}

/** Everything that this server signs or decrypts with. */
export interface Keyring extends FollowedSigner {
  readonly encryption: Decrypter;
}

interface LoadedKeys {
  readonly kept: readonly KeptKey[];
  /** Every key of the file; `presentKeys` decides which of them signs. */
  readonly signer: PrivateKeys;
  readonly decrypter: EncryptionKeys;
}

function loadedKeys(kept: readonly KeptKey[], file: string): LoadedKeys {
  try {
    const signer = new PrivateKeys(signatureKeys(kept));
    return { kept, signer, decrypter: new EncryptionKeys(kept.filter(isEncryptionKey)) };
  } catch (cause) {
    throw invalid(file, 'holds a key that is malformed', cause);
  }
}

/**
 * The published keys at `now`: of each algorithm the newest key in use comes first, then older keys whose signatures may
 * not have expired, and keys to come. A key is left out `retainSeconds` after its successor took over.
 */
export function presentKeys(kept: readonly KeptKey[], now: number, retainSeconds: number): readonly JWK[] {
  const inUse = kept.filter((key) => useFrom(key) <= now).toSorted((a, b) => useFrom(b) - useFrom(a));
  const recent = inUse.filter((key) => {
    const successor = inUse.findLast((other) => other.alg === key.alg && useFrom(other) > useFrom(key));
    return successor === undefined || useFrom(successor) + retainSeconds > now;
  });
  const toCome = kept.filter((key) => useFrom(key) > now);
  return [...recent, ...toCome].map(({ use_from: _useFrom, ...jwk }) => jwk);
}

function signatureKeys(kept: readonly KeptKey[]): readonly KeptKey[] {
  return kept.filter((key) => !isEncryptionKey(key));
}

/** The keys to which clients encrypt at `now`: the newest of each algorithm. */
function encryptionKeysInUse(kept: readonly KeptKey[], now: number): readonly JWK[] {
  const inUse = presentKeys(
    kept.filter((key) => isEncryptionKey(key) && useFrom(key) <= now),
    now,
    0,
  );
  return inUse.filter((key, at) => inUse.findIndex(({ alg }) => alg === key.alg) === at);
}

/** The next time at which `presentKeys` changes. */
function nextTurn(kept: readonly KeptKey[], now: number, retainSeconds: number): number | undefined {
  return kept
    .flatMap((key) => [useFrom(key), useFrom(key) + retainSeconds])
    .filter((at) => at > now)
    .toSorted((a, b) => a - b)[0];
}

/**
 * Reads the keys of a file.
 *
 * @throws ERR_CONFIG_INVALID
 */
export function parseKeys(
  content: string,
  from: { readonly source: string; readonly now: number },
): readonly KeptKey[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    throw invalid(from.source, 'is not JSON');
  }
  const keys =
    typeof parsed === 'object' && parsed !== null && 'keys' in parsed && Array.isArray(parsed.keys)
      ? (parsed.keys as KeptKey[])
      : [];
  if (!keys.every((key) => (isSignatureAlgorithm(key.alg) || isEncryptionKey(key)) && key.kid && key.d)) {
    const message =
      'every key must be private and have a kid and an alg of PS256, ES256 or EdDSA, or the use enc and an alg of RSA-OAEP-256 or ECDH-ES';
    throw invalid(from.source, message);
  }
  if (new Set(keys.map((key) => key.kid)).size !== keys.length) throw invalid(from.source, 'has a kid twice');
  if (!keys.every((key) => key.use_from === undefined || Number.isSafeInteger(key.use_from))) {
    throw invalid(from.source, 'use_from must be whole seconds since the epoch');
  }
  if (!keys.some((key) => key.alg === 'ES256' && useFrom(key) <= from.now)) {
    throw invalid(from.source, 'must hold a key for ES256 that is in use');
  }
  return keys;
}

/** The time from which the key signs. */
export function useFrom(key: KeptKey): number {
  return key.use_from ?? 0;
}

async function signingJwk(jwk: JWK, alg: string): Promise<JWK> {
  return { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) };
}

function invalid(file: string, message: string, cause?: unknown): OpenBankingError<'ERR_CONFIG_INVALID'> {
  return invalidConfig(file, [{ path: 'signingKeysFile', message }], cause);
}
