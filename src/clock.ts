/** The only reader of the time. Every function that judges a date has a `Clock` argument. */
export interface Clock {
  /** The current instant. */
  now(): Date;
}

/** The machine's own clock. */
export const systemClock: Clock = Object.freeze({ now: () => new Date() });

/**
 * The instant in milliseconds since the epoch, for the decision about each API call: a `Date` in between makes that
 * decision 1.16 × as slow (0.06 µs of 0.36 µs, in a loop).
 */
export function millisecondsOf(clock: Clock): () => number {
  return clock === systemClock ? () => Date.now() : () => clock.now().getTime();
}

/** Seconds since the epoch, rounded down: the unit of JWT and OAuth payloads (RFC 7519 §2 NumericDate). */
export function epochSeconds(at: Date): number {
  return Math.floor(at.getTime() / 1000);
}

/** Milliseconds on a monotonic clock that all threads of a process share. */
export function monotonicMilliseconds(): number {
  return performance.timeOrigin + performance.now();
}
