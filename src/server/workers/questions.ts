/** Questions to another process that are open, each for a limited time. */
export class Questions<Answer> {
  readonly #milliseconds: number;
  readonly #open = new Map<number, (answer: Answer | undefined) => void>();
  #last = 0;

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }

  /** Calls `send` with the number of the question; undefined without an answer in time. */
  ask(send: (question: number) => void): Promise<Answer | undefined> {
    this.#last += 1;
    const question = this.#last;
    return new Promise((resolve) => {
      const timer = setTimeout(() => end(undefined), this.#milliseconds);
      const end = (answer: Answer | undefined) => {
        clearTimeout(timer);
        this.#open.delete(question);
        resolve(answer);
      };
      this.#open.set(question, end);
      send(question);
    });
  }

  /** An answer to a question that is open no longer has no effect. */
  answer(question: number, answer: Answer): void {
    this.#open.get(question)?.(answer);
  }

  /** The other process answers no more. */
  end(): void {
    for (const end of [...this.#open.values()]) end(undefined);
  }
}
