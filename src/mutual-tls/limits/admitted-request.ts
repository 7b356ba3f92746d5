import type { IncomingMessage, ServerResponse } from 'node:http';

/** The work on a request whose caller has left is assumed over after so long. */
const ABANDONED_MILLISECONDS = 30_000;

/** A request that was admitted, until its answer is out and the work on it has ended. */
export class AdmittedRequest {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #isWaiting = false;
  #closedAt: number | undefined;
  #isServed = false;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  /** Whether the request takes a place: one that waits for its caller does not. */
  get isWorking(): boolean {
    return !this.#isWaiting;
  }

  /** Whether the answer is out, or the caller has left. */
  get isClosed(): boolean {
    return this.#closedAt !== undefined;
  }

  get isOver(): boolean {
    return this.#isServed && this.isClosed;
  }

  /** Called when the handler has ended. */
  serve(): void {
    this.#isServed = true;
  }

  /** Called when the answer is out, or the caller has left. */
  close(now: number): void {
    this.#closedAt ??= now;
  }

  /** Judges the request anew. */
  follow(now: number): void {
    // A pipelined answer that is not due yet gets no `close` when its connection ends.
    if (this.#request.socket.destroyed) this.close(now);
    if (this.#closedAt !== undefined && now - this.#closedAt > ABANDONED_MILLISECONDS) this.serve();
    this.#isWaiting = !this.isClosed && this.#waitsForCaller();
  }

  /** For more of the body, while all that came has been read; or until the caller takes the last bytes of the answer. */
  #waitsForCaller(): boolean {
    const { complete, readableLength } = this.#request;
    return this.#response.writableEnded || (!complete && readableLength === 0);
  }
}
