import type { Operation, Outcome } from './sqlite-operations.ts';

/** Writes that were asked for together. `deadline` is on the clock of `absoluteNow`. */
export interface WriteRequest {
  readonly id: number;
  readonly deadline: number;
  readonly operations: readonly Operation[];
}

export interface WriteAnswer {
  readonly id: number;
  /** One for each operation, or what kept all of them from being done. */
  readonly outcomes?: readonly Outcome[];
  readonly fault?: string;
}

/** Milliseconds that are the same in every thread, and that no change of the clock moves. */
export function absoluteNow(): number {
  return performance.timeOrigin + performance.now();
}
