import { monotonicMilliseconds } from '../../clock.ts';

const STEPS = Object.freeze({
  starting: 'starts',
  free: 'is free',
  locking: 'waits for the lock of the file',
  writing: 'writes',
  committing: 'commits to the disk',
  checkpointing: 'moves its log into the file',
});

export type WritingStep = keyof typeof STEPS;

const NAMES = Object.keys(STEPS) as WritingStep[];

/**
 * The step of the writing thread, in memory that the serving thread reads at any time: evidence about a write that gets no
 * answer. A thread that is free, or writes for long, gets no processor; one that commits for long has a slow disk or none.
 */
export class WritingSteps {
  readonly memory: SharedArrayBuffer;
  /** The number of the step, and when it began. */
  readonly #state: Float64Array;

  /** @param memory of the object in the other thread */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(16)) {
    this.memory = memory;
    this.#state = new Float64Array(memory);
    this.enter('starting');
  }

  enter(step: WritingStep): void {
    this.#state[0] = NAMES.indexOf(step);
    this.#state[1] = monotonicMilliseconds();
  }

  /** `the writing thread commits to the disk (for 1900 ms)` */
  get text(): string {
    const [number = 0, since = 0] = this.#state;
    const step = STEPS[NAMES[number] ?? 'starting'];
    return `the writing thread ${step} (for ${Math.round(monotonicMilliseconds() - since)} ms)`;
  }

  /** Of a write that a free thread finds too late: it waited behind others, and then because the thread got no processor. */
  lateness({ sentAt }: { readonly sentAt: number }): string {
    const now = monotonicMilliseconds();
    const waited = Math.round(now - sentAt);
    const idle = Math.round(now - Math.max(this.#state[1] ?? 0, sentAt));
    return `the write came too late: it waited ${waited} ms, the last ${idle} of them for a processor`;
  }
}
