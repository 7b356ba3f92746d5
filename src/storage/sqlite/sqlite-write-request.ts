import type { Operation, Outcome } from './sqlite-operations.ts';

/** A group of writes. `deadline` is on the clock of `absoluteNow`. */
export interface WriteRequest {
  readonly id: number;
  readonly deadline: number;
  readonly operations: readonly Operation[];
}

export interface WriteAnswer {
  readonly id: number;
  /** One outcome for each operation; absent when `fault` kept all of them from being done. */
  readonly outcomes?: readonly Outcome[];
  readonly fault?: string;
}

/** Milliseconds on a monotonic clock that all threads share. */
export function absoluteNow(): number {
  return performance.timeOrigin + performance.now();
}
