/**
 * Runs that follow each other: a caller gets the result of a run that began after the call, and all callers that wait
 * share that run. At most one run of a key is under way.
 */
export class NextFlight<Value> {
  readonly #underWay = new Map<string, Promise<Value>>();
  readonly #waiting = new Map<string, Promise<Value>>();

  /** The next run of `key`. A rejection goes to every caller that shares the run and is not kept. */
  run(start: () => Promise<Value>, key = ''): Promise<Value> {
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) return waiting;
    const before = this.#underWay.get(key);
    if (before === undefined) return this.#begin(start, key);
    const begin = () => {
      this.#waiting.delete(key);
      return this.#begin(start, key);
    };
    const next = before.then(begin, begin);
    this.#waiting.set(key, next);
    return next;
  }

  #begin(start: () => Promise<Value>, key: string): Promise<Value> {
    const run = start().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, run);
    return run;
  }
}
