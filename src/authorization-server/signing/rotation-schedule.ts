import type { Clock } from '../../clock.ts';
import type { Log } from '../../events.ts';
import { BackgroundLoop } from '../../remote/background-loop.ts';
import type { Store } from '../../storage/store.ts';
import { type KeyPlace, PUBLISHED_AHEAD_SECONDS } from './keyring.ts';
import type { KeyState } from './key-states.ts';

export interface RotationScheduleOptions {
  readonly keys: KeyPlace;
  /** Shared by all processes and hosts: one of them rotates. */
  readonly store: Pick<Store, 'putIfAbsent'>;
  readonly rotateDays: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Interval of looks. Default 300. */
  readonly lookSeconds?: number;
}

const KIND = 'SigningKeyRotation';
const LOOK_SECONDS = 300;
/** A process that took the turn and ended leaves the turn to others after this time. */
const TURN_SECONDS = 1800;

/** Rotates the signing keys when the newest of them has signed for so many days: one process of all that share the store. */
export class RotationSchedule {
  readonly #options: RotationScheduleOptions;
  readonly #loop: BackgroundLoop;

  constructor(options: RotationScheduleOptions) {
    this.#options = options;
    const { lookSeconds = LOOK_SECONDS, log } = options;
    this.#loop = new BackgroundLoop(lookSeconds, async () => {
      await this.#look().catch((error: unknown) => log.emit('signing-keys.not_rotated', { error }));
      return lookSeconds;
    });
  }

  async close(): Promise<void> {
    await this.#loop.close();
  }

  async #look(): Promise<void> {
    const { keys, store, rotateDays, clock, log } = this.#options;
    const newest = newestOf(await keys.states());
    const now = clock.now();
    // A key of an earlier version has no time, and is rotated.
    const age = (now.getTime() - (newest?.from?.getTime() ?? 0)) / 1000;
    if (newest === undefined || age < rotateDays * 86_400) return;
    const expiresAt = new Date(now.getTime() + TURN_SECONDS * 1000);
    // By the newest key: hosts that keep keys of their own each rotate theirs.
    if (!(await store.putIfAbsent(KIND, newest.kid, { value: {}, expiresAt }))) return;
    const states = await keys.rotate({ delaySeconds: PUBLISHED_AHEAD_SECONDS });
    log.emit('signing-keys.rotated', { count: states.filter(({ state }) => state === 'next').length });
  }
}

function newestOf(states: readonly KeyState[]): KeyState | undefined {
  return states
    .filter(({ alg }) => alg === 'ES256')
    .toSorted((a, b) => (b.from?.getTime() ?? 0) - (a.from?.getTime() ?? 0))[0];
}
