import type { Clock } from '../clock.ts';
import { isRefusal } from '../errors.ts';
import { takeFolderTurn } from '../files/folder-turn.ts';
import { BackgroundLoop } from './background-loop.ts';
import { SingleFlight } from './single-flight.ts';

export interface UpkeepOptions {
  /** Stands for the turn of one process among all that share its folder. */
  readonly turnFile: string;
  readonly refreshSeconds: number;
  /** When the source was last asked by any process, with or without success; undefined where there is no copy. */
  readonly askedAt: () => Promise<Date | undefined>;
  /** Asks the source and keeps what it gave. Calls `renew` while it lasts. */
  readonly refresh: (renew: () => Promise<void>) => Promise<void>;
  /** Called with a fault of `refresh`. */
  readonly onFault: (error: unknown) => void;
  readonly clock: Clock;
}

/** How often a process looks whether a refresh is due. After a fault the source is left alone for as long. */
const LOOK_SECONDS = 60;
const WAIT_SECONDS = 0.5;

/** Keeps a source in a folder fresh: of all processes that share the folder, one asks the source, when it is due. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #refreshes = new SingleFlight<boolean>();
  readonly #loop: BackgroundLoop;
  readonly #openedAt: Date;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#openedAt = options.clock.now();
    const look = Math.min(LOOK_SECONDS, options.refreshSeconds);
    this.#loop = new BackgroundLoop(look, async () => {
      if (await this.#isDue()) await this.refreshNow().catch(options.onFault);
      return look;
    });
  }

  /**
   * Refreshes now; false when another process does.
   *
   * @throws what `refresh` threw
   */
  refreshNow(): Promise<boolean> {
    const { turnFile, refresh, clock } = this.#options;
    return this.#refreshes.run(async () => {
      const turn = await takeFolderTurn(turnFile, clock);
      if (turn === undefined) return false;
      try {
        await refresh(() => turn.renew());
        return true;
      } finally {
        await turn.end();
      }
    });
  }

  /**
   * Where there is no copy yet, refreshes first. Another process that does so already is waited for.
   *
   * @throws what `refresh` threw
   */
  async makeFirst(): Promise<void> {
    if (await this.#hasCopy()) return;
    while (!(await this.refreshNow())) {
      await new Promise((resolve) => setTimeout(resolve, WAIT_SECONDS * 1000));
      if (await this.#hasCopy()) return;
    }
  }

  async close(): Promise<void> {
    await this.#loop.close();
    await this.#refreshes.settled();
  }

  /** A copy that is refused is made anew. */
  async #hasCopy(): Promise<boolean> {
    try {
      return (await this.#options.askedAt()) !== undefined;
    } catch (error) {
      if (isRefusal(error)) return false;
      throw error;
    }
  }

  async #isDue(): Promise<boolean> {
    const { askedAt, refreshSeconds, clock } = this.#options;
    const last = await askedAt().catch(() => undefined);
    // The copy of an earlier process is proved again soon after a start, by the first of all processes.
    if (last === undefined || last < this.#openedAt) return true;
    return clock.now().getTime() - last.getTime() >= refreshSeconds * 1000;
  }
}
