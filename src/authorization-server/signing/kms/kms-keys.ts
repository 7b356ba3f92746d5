import { readFile } from 'node:fs/promises';
import type { JWK } from 'jose';
import { type Clock, epochSeconds } from '../../../clock.ts';
import { invalidConfig } from '../../../errors.ts';
import type { Log } from '../../../events.ts';
import { replaceFile } from '../../../files/created-file.ts';
import { openFollowedFile } from '../../../files/followed-file.ts';
import type { EncryptionKeyFile } from '../encryption-key-file.ts';
import { assertSigning, type KeptKey, parseKeySet, presentKeys, signingJwk } from '../kept-keys.ts';
import { digestOf, isProven } from '../key-proof.ts';
import { type KeyState, statesOf } from '../key-states.ts';
import type { Keyring, KeyPlace, RotationOrder } from '../keyring.ts';
import { PresentedKeys } from '../presented-keys.ts';
import { publishedKey } from '../private-keys.ts';
import type { Signer } from '../signer.ts';
import type { KeyService, ServiceAlgorithm } from './key-service.ts';

export interface KmsKeysOptions {
  /** The list of the keys: public JWKs, each with `kms_key`, its name in the service. */
  readonly keysFile: string;
  readonly service: KeyService;
  readonly encryption: EncryptionKeyFile;
  readonly retainSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
}

interface ListedKey extends KeptKey {
  readonly kms_key: string;
}

const PLACE = 'signingKeys.kms';
const MIN_MODULUS_BITS = 2048;
/** The clocks of hosts agree within a minute. */
const MAX_CLOCK_SECONDS = 60;

/** Signing keys of a KMS, which never leave it. A list without secrets names them, and when each signs. */
export class KmsKeys implements KeyPlace {
  readonly #options: KmsKeysOptions;

  constructor(options: KmsKeysOptions) {
    this.#options = options;
  }

  /** The keys for a server. @throws ERR_CONFIG_INVALID when the list is missing or bad */
  async follow(): Promise<Keyring> {
    const { keysFile, log, service, encryption: encryptionFile } = this.#options;
    const source = { source: keysFile, place: `${PLACE}.keysFile` };
    const followed = await openFollowedFile<readonly ListedKey[]>({
      file: keysFile,
      name: 'signing-keys',
      log,
      parse: (content) => {
        const listed = parseList(content, keysFile);
        assertSigning(listed, { ...source, now: this.#now() });
        return listed;
      },
      unreadable: (cause) => {
        const message =
          cause.code === 'ENOENT'
            ? 'is not there: `tallystick keys rotate --key` makes it'
            : `cannot be read: ${cause.code}`;
        return invalidConfig(keysFile, [{ path: source.place, message }], cause);
      },
      count: (listed) => listed.length,
      onChange: (listed) => presented.replace(listed.map(withoutName), signer),
    });
    const signer: Pick<Signer, 'sign'> = {
      sign: async (kid, data) => {
        const key = followed.current.find((one) => one.kid === kid);
        if (key === undefined) throw new TypeError(`there is no key ${kid}`);
        return service.sign(key.kms_key, key.alg as ServiceAlgorithm, digestOf(data));
      },
    };
    const presented = new PresentedKeys(this.#options, followed.current.map(withoutName), signer);
    const encryption = await encryptionFile.open(log);
    return {
      get keys() {
        return presented.keys;
      },
      get problem() {
        return service.problem;
      },
      encryption,
      sign: signer.sign,
      follow: (use) => presented.follow(use),
      states: () => this.states(),
      rotate: async (order) => {
        const states = await this.rotate(order);
        await followed.reload();
        return states;
      },
      close: async () => {
        await followed.close();
        presented.close();
        await encryption.close();
        await this.close();
      },
    };
  }

  async states(): Promise<readonly KeyState[]> {
    return this.#statesOf(await this.#listed());
  }

  /** Adds keys that were made in the service. A key is listed when a signature of it has been verified. */
  async rotate(order: RotationOrder): Promise<readonly KeyState[]> {
    const { keysFile, retainSeconds, encryption } = this.#options;
    const { keyIds = [], isCompromised = false } = order;
    if (keyIds.length === 0) {
      const message = 'must name the new keys: they are made in the KMS';
      throw invalidConfig(keysFile, [{ path: 'key', message }]);
    }
    const listed = await this.#listed();
    const now = this.#now();
    const hasKeys = listed.some(({ alg }) => alg === 'ES256');
    const useFrom = isCompromised ? now : hasKeys ? now + order.delaySeconds : now - MAX_CLOCK_SECONDS;
    const added = await Promise.all(keyIds.map((keyId) => this.#proven(keyId, useFrom)));
    const present = new Set(presentKeys(listed, now, retainSeconds).map(({ kid }) => kid));
    const keys = isCompromised ? added : [...listed.filter(({ kid }) => present.has(kid)), ...added];
    const content = `${JSON.stringify({ keys })}\n`;
    assertSigning(parseList(content, keysFile), { source: keysFile, place: `${PLACE}.keysFile`, now });
    await replaceFile(keysFile, content);
    await encryption.rotate(order);
    return this.#statesOf(keys);
  }

  async close(): Promise<void> {
    await this.#options.service.close();
  }

  async #proven(keyId: string, useFrom: number): Promise<ListedKey> {
    const { service, keysFile } = this.#options;
    const refusal = (problem: string) =>
      invalidConfig(keysFile, [{ path: `key ${keyId}`, message: problem }]);
    const publicKey = await service.publicKey(keyId);
    const jwk: JWK = publicKey.export({ format: 'jwk' });
    const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
    const alg: ServiceAlgorithm | undefined =
      jwk.crv === 'P-256' ? 'ES256' : bits >= MIN_MODULUS_BITS ? 'PS256' : undefined;
    if (alg === undefined) throw refusal('is neither of P-256 nor RSA of 2048 bits or more');
    const named = await signingJwk(jwk, alg);
    const signer = { sign: (_kid: string, data: Buffer) => service.sign(keyId, alg, digestOf(data)) };
    if (!(await isProven(publishedKey(named), signer))) {
      throw refusal('makes no signature that its public key verifies');
    }
    return { ...named, kms_key: keyId, use_from: useFrom };
  }

  async #listed(): Promise<readonly ListedKey[]> {
    const { keysFile } = this.#options;
    const content = await readFile(keysFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return undefined;
    });
    return content === undefined ? [] : parseList(content, keysFile);
  }

  async #statesOf(listed: readonly ListedKey[]): Promise<readonly KeyState[]> {
    const named = listed.map((key) => ({ ...key, name: key.kms_key }));
    const states = statesOf(named, this.#now(), this.#options.retainSeconds);
    return [...states, ...(await this.#options.encryption.states())];
  }

  #now(): number {
    return epochSeconds(this.#options.clock.now());
  }
}

function parseList(content: string, source: string): readonly ListedKey[] {
  return parseKeySet<ListedKey>(
    content,
    { source, place: `${PLACE}.keysFile` },
    {
      isKey: (key) =>
        (key.alg === 'ES256' || key.alg === 'PS256') &&
        Boolean(key.kid) &&
        key.d === undefined &&
        'kms_key' in key &&
        typeof key.kms_key === 'string',
      rule: 'every key must be public and have a kid, an alg of ES256 or PS256, and kms_key',
    },
  );
}

/** The key as it is published. */
function withoutName({ kms_key: _name, ...key }: ListedKey): KeptKey {
  return key;
}
