import type { KeyPair } from '../../mutual-tls/key-pair.ts';
import { FollowedKeyPair, type FollowedKeyPairOptions } from '../followed-key-pair.ts';
import type { HealthPart } from '../health.ts';

export interface ListenerCertificatesOptions extends Omit<FollowedKeyPairOptions, 'otherType'> {
  /** A certificate whose key has the other type. */
  readonly second?: Pick<FollowedKeyPairOptions, 'certificateFile' | 'privateKeyFile'> | undefined;
}

/**
 * The certificate of a listener, or its two: one with an RSA key and one with an EC key, of which each client gets the one
 * that it can verify. Each is followed by itself.
 */
export class ListenerCertificates {
  /** One, or two. */
  readonly all: readonly FollowedKeyPair[];
  readonly #first: FollowedKeyPair;
  readonly #second: FollowedKeyPair | undefined;

  /** @throws ERR_CONFIG_INVALID when a file is missing, no valid pair, or both keys have one type */
  static async open({ second, ...options }: ListenerCertificatesOptions): Promise<ListenerCertificates> {
    let opened: FollowedKeyPair | undefined;
    const first = await FollowedKeyPair.open({ ...options, otherType: () => opened?.current.keyType });
    if (second === undefined) return new ListenerCertificates(first, undefined);
    try {
      opened = await FollowedKeyPair.open({
        ...options,
        ...second,
        place: `${options.place}.second`,
        otherType: () => first.current.keyType,
      });
      return new ListenerCertificates(first, opened);
    } catch (error) {
      await first.close();
      throw error;
    }
  }

  private constructor(first: FollowedKeyPair, second: FollowedKeyPair | undefined) {
    this.#first = first;
    this.#second = second;
    this.all = second === undefined ? [first] : [first, second];
  }

  get current(): KeyPair {
    const second = this.#second?.current;
    return second === undefined ? this.#first.current : { ...this.#first.current, second };
  }

  /** Seconds until the first of the certificates in use expires; negative afterwards. */
  get secondsLeft(): number {
    return Math.min(...this.all.map(({ secondsLeft }) => secondsLeft));
  }

  /** The part of the health: not in order when one of the certificates in use has expired. */
  health(): HealthPart {
    const parts = this.all.map((pair) => pair.health());
    const worst = parts.find(({ problem }) => problem !== undefined) ?? parts.find(({ notice }) => notice);
    return worst ?? { name: 'certificate' };
  }

  /** Calls `take` whenever one of the certificates is replaced. */
  follow(take: (pair: KeyPair) => void): void {
    for (const one of this.all) one.follow(() => take(this.current));
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((pair) => pair.close()));
  }
}

/** The certificates of listeners by their field of the configuration: `tls`, `tls.second`, `bankApi.tls`. */
export function byPlace(
  listeners: readonly (ListenerCertificates | undefined)[],
): Readonly<Record<string, FollowedKeyPair>> {
  return Object.fromEntries(listeners.flatMap((one) => one?.all ?? []).map((pair) => [pair.place, pair]));
}
