import { type Clock, epochSeconds } from '../../../clock.ts';
import { invalidConfig, isRefusal } from '../../../errors.ts';
import type { Log } from '../../../events.ts';
import { BackgroundLoop } from '../../../remote/background-loop.ts';
import type { Decrypter } from '../decrypter.ts';
import type { EncryptionKeyFile } from '../encryption-key-file.ts';
import { assertSigning, type KeptKey, presentKeys, signingJwk } from '../kept-keys.ts';
import { digestOf, isProven } from '../key-proof.ts';
import { type KeyState, statesOf } from '../key-states.ts';
import type { Keyring, KeyPlace, RotationOrder } from '../keyring.ts';
import { PresentedKeys } from '../presented-keys.ts';
import { publishedKey } from '../private-keys.ts';
import type { FollowedSigner, PublishedKey } from '../signer.ts';
import type { TokenAlgorithm, TokenKey, TokenKeys, TokenSettings, UnfitKey } from './token-messages.ts';
import { TokenProcess } from './token-process.ts';

export interface Pkcs11Options {
  readonly token: TokenSettings;
  /** Begins the labels of the keys. */
  readonly keyLabel: string;
  readonly timeoutMilliseconds: number;
  readonly pollSeconds: number;
  readonly retainSeconds: number;
  readonly encryption: EncryptionKeyFile;
  readonly clock: Clock;
  readonly log: Log;
}

interface FoundKeys {
  readonly kept: readonly KeptKey[];
  readonly byKid: ReadonlyMap<string, TokenKey>;
  readonly unfit: readonly UnfitKey[];
}

const PLACE = 'signingKeys.pkcs11';
const LIST_MILLISECONDS = 10_000;
/** Some modules take minutes for an RSA key. */
const GENERATE_MILLISECONDS = 180_000;
/** The clocks of hosts agree within a minute. */
const MAX_CLOCK_SECONDS = 60;
const NO_KEYS: FoundKeys = { kept: [], byKid: new Map(), unfit: [] };

/**
 * Signing keys of a PKCS#11 token, which never leave it. The token is the only record of them: their labels have the time from
 * which they sign, so that every host finds a new key by itself.
 */
export class Pkcs11Keys implements KeyPlace {
  readonly #options: Pkcs11Options;
  readonly #proven = new Set<string>();
  #process: TokenProcess | undefined;
  #found = NO_KEYS;
  #presented: PresentedKeys | undefined;

  private constructor(options: Pkcs11Options) {
    this.#options = options;
  }

  /**
   * Opens the token.
   *
   * @throws ERR_CONFIG_INVALID with the reason when the library, the token or the PIN cannot be used
   */
  static async open(options: Pkcs11Options): Promise<Pkcs11Keys> {
    const keys = new Pkcs11Keys(options);
    const { token, timeoutMilliseconds, log } = options;
    const starting = TokenProcess.open({
      settings: token,
      timeoutMilliseconds,
      log,
      onOpened: async (process) => {
        keys.#process = process;
        await keys.#refresh();
      },
    });
    keys.#process = await starting.catch((cause: unknown) => {
      if (isRefusal(cause, 'ERR_CONFIG_INVALID')) throw cause;
      const message = isRefusal(cause, 'ERR_SIGNING_UNAVAILABLE') ? cause.details.problem : String(cause);
      throw invalidConfig(token.moduleFile, [{ path: PLACE, message }], cause);
    });
    return keys;
  }

  /**
   * The keys for a server: new ones in the token come into use by themselves.
   *
   * @throws ERR_CONFIG_INVALID when no ES256 key of the token signs now
   */
  async follow(): Promise<Keyring> {
    const { log, pollSeconds, token, encryption: encryptionFile } = this.#options;
    const { kept } = this.#found;
    const now = this.#now();
    try {
      assertSigning(kept, { source: token.moduleFile, place: PLACE, now });
    } catch (cause) {
      const message =
        'the token has no ES256 key with this label that is in use: `tallystick keys rotate` makes one';
      throw invalidConfig(token.moduleFile, [{ path: `${PLACE}.keyLabel`, message }], cause);
    }
    const encryption = await encryptionFile.open(log);
    const presented = new PresentedKeys(this.#options, kept, this);
    this.#presented = presented;
    this.#report();
    const polls = new BackgroundLoop(pollSeconds, async () => {
      await this.#refresh().catch((error: unknown) => {
        // The process has reported why the token is away.
        if (!isRefusal(error, 'ERR_SIGNING_UNAVAILABLE')) log.emit('signing-keys.refused', { error });
      });
      return pollSeconds;
    });
    return this.#keyring(presented, encryption, async () => {
      await polls.close();
      presented.close();
      await encryption.close();
      await this.close();
    });
  }

  async states(): Promise<readonly KeyState[]> {
    await this.#refresh();
    return this.#states();
  }

  async rotate(order: RotationOrder): Promise<readonly KeyState[]> {
    const { token, keyLabel, encryption, retainSeconds } = this.#options;
    if ((order.keyIds ?? []).length > 0) {
      const message = 'the token makes its keys itself, and takes none by name';
      throw invalidConfig(token.moduleFile, [{ path: 'key', message }]);
    }
    await this.#refresh();
    const now = this.#now();
    const { kept, byKid } = this.#found;
    const hasKeys = kept.some(({ alg }) => alg === 'ES256');
    const useFrom = order.isCompromised ? now : hasKeys ? now + order.delaySeconds : now - MAX_CLOCK_SECONDS;
    const label = `${keyLabel}@${new Date(useFrom * 1000).toISOString().replace('.000', '')}`;
    // A rotation that broke off is begun anew as long as there is no new ES256 key: that one is made last.
    for (const alg of ['PS256', 'ES256'] satisfies readonly TokenAlgorithm[]) {
      await this.#call({ generate: label, alg }, GENERATE_MILLISECONDS);
    }
    const present = new Set(presentKeys(kept, now, retainSeconds).map(({ kid }) => kid));
    for (const [kid, { reference }] of byKid) {
      if (order.isCompromised || !present.has(kid))
        await this.#call({ destroy: reference }, LIST_MILLISECONDS);
    }
    await encryption.rotate(order);
    return this.states();
  }

  /** @throws ERR_SIGNING_UNAVAILABLE */
  async sign(kid: string, data: Buffer): Promise<Buffer> {
    const key = this.#found.byKid.get(kid);
    if (key === undefined) throw new TypeError(`there is no key ${kid}`);
    return this.#sign(key, data);
  }

  async close(): Promise<void> {
    await this.#process?.close();
  }

  async #sign({ reference, alg }: TokenKey, data: Buffer, milliseconds?: number): Promise<Buffer> {
    const signature = await this.#call({ sign: reference, alg, digest: digestOf(data) }, milliseconds);
    return Buffer.from(signature as Uint8Array);
  }

  #keyring(presented: PresentedKeys, encryption: Decrypter, close: () => Promise<void>): Keyring {
    const problem = () => this.#process?.problem;
    return {
      get keys(): readonly PublishedKey[] {
        return presented.keys;
      },
      get problem() {
        return problem();
      },
      encryption,
      sign: (kid, data) => this.sign(kid, data),
      follow: (use: Parameters<FollowedSigner['follow']>[0]) => presented.follow(use),
      states: () => this.states(),
      rotate: (order) => this.rotate(order),
      close,
    };
  }

  /** Lists the keys of the token. A key comes into use when a first signature has been verified. */
  async #refresh(): Promise<void> {
    const { keyLabel } = this.#options;
    const { keys, unfit } = (await this.#call({ list: keyLabel }, LIST_MILLISECONDS)) as TokenKeys;
    const named = keys.flatMap((key) => {
      const useFrom = useFromOf(key.label, keyLabel);
      return useFrom === undefined ? [] : [{ key, useFrom }];
    });
    const judged = await Promise.all(
      named.map(async ({ key, useFrom }) => {
        const jwk = await signingJwk(key.jwk, key.alg);
        const isFit = this.#proven.has(jwk.kid) || (await this.#prove(publishedKey(jwk), key));
        return { key, jwk, isFit, kept: useFrom === 0 ? jwk : { ...jwk, use_from: useFrom } };
      }),
    );
    const fit = judged.filter(({ isFit }) => isFit);
    const unproven = judged
      .filter(({ isFit }) => !isFit)
      .map(({ key }) => ({ label: key.label, problem: 'makes no signature that its public key verifies' }));
    const ours = unfit.filter(({ label }) => useFromOf(label, keyLabel) !== undefined);
    const before = this.#found;
    this.#found = {
      kept: fit.map(({ kept }) => kept),
      byKid: new Map(fit.map(({ key, jwk }) => [jwk.kid, key])),
      unfit: [...ours, ...unproven],
    };
    if (namesOf(before) === namesOf(this.#found)) return;
    this.#presented?.replace(this.#found.kept, this);
    if (this.#presented !== undefined) this.#report();
  }

  async #prove(published: PublishedKey, key: TokenKey): Promise<boolean> {
    const isFit = await isProven(published, {
      sign: (_kid, data) => this.#sign(key, data, LIST_MILLISECONDS),
    });
    if (isFit) this.#proven.add(published.kid);
    return isFit;
  }

  #report(): void {
    const { log, token } = this.#options;
    const { kept, unfit } = this.#found;
    log.emit('signing-keys.loaded', { file: token.moduleFile, count: kept.length });
    if (unfit.length === 0) return;
    const problems = unfit.map(({ label, problem }) => ({ path: label, message: problem }));
    log.emit('signing-keys.unfit', { problems });
  }

  async #states(): Promise<readonly KeyState[]> {
    const { kept, byKid } = this.#found;
    const named = kept.map((key) => ({ ...key, name: byKid.get(key.kid ?? '')?.label ?? '' }));
    const states = statesOf(named, this.#now(), this.#options.retainSeconds);
    return [...states, ...(await this.#options.encryption.states())];
  }

  #call(request: Parameters<TokenProcess['call']>[0], milliseconds?: number): Promise<unknown> {
    if (this.#process === undefined) throw new TypeError('the token is not open');
    return this.#process.call(request, milliseconds);
  }

  #now(): number {
    return epochSeconds(this.#options.clock.now());
  }
}

/** The time of a label, 0 where the label has none; undefined for the label of another key. */
function useFromOf(label: string, keyLabel: string): number | undefined {
  if (label === keyLabel) return 0;
  const [, time = ''] = label.split(`${keyLabel}@`);
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(time) ? Date.parse(time) : Number.NaN;
  return Number.isNaN(at) || !label.startsWith(`${keyLabel}@`) ? undefined : at / 1000;
}

/** Changes with the keys. */
function namesOf({ byKid, unfit }: FoundKeys): string {
  return JSON.stringify([...[...byKid.keys()].toSorted(), unfit]);
}
