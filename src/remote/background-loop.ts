/**
 * Work that is repeated until `close`. The pause between two turns never keeps the process alive, and `close` cancels the
 * pause instead of waiting for it: a process whose event loop holds nothing else would end during such a wait.
 */
export class BackgroundLoop {
  readonly #turn: () => Promise<number>;
  #timer: NodeJS.Timeout | undefined;
  #underWay: Promise<void> | undefined;
  #isClosed = false;

  /** Starts the first turn after `seconds`. A turn never throws, and resolves with the seconds until the next turn. */
  constructor(seconds: number, turn: () => Promise<number>) {
    this.#turn = turn;
    this.#pause(seconds);
  }

  /** Cancels the next turn, and waits for the turn that is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#underWay;
  }

  #pause(seconds: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#underWay = this.#turn().then((next) => this.#pause(next));
    }, seconds * 1000);
    this.#timer.unref();
  }
}
