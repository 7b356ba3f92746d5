/** Runs that are under way: all callers that ask for the same key at the same time get the result of one run. */
export class SingleFlight<Value> {
  readonly #pending = new Map<string, Promise<Value>>();

  /** The run of `key` that is under way, or a new one. A rejection goes to every caller and is not kept. */
  run(start: () => Promise<Value>, key = ''): Promise<Value> {
    const underWay = this.#pending.get(key);
    if (underWay !== undefined) return underWay;
    const run = start().finally(() => {
      if (this.#pending.get(key) === run) this.#pending.delete(key);
    });
    this.#pending.set(key, run);
    return run;
  }

  get isIdle(): boolean {
    return this.#pending.size === 0;
  }

  /** Makes the next call of every key a new run. Runs that are under way end for those that wait for them. */
  clear(): void {
    this.#pending.clear();
  }

  /** Resolves when the runs that are under way have ended, whether well or not. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#pending.values());
  }
}
