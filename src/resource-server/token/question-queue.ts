export interface QuestionQueueOptions {
  /** Questions that are asked at once. */
  readonly maxRunning: number;
  /** Questions that wait, of callers with a proven token and of all others. */
  readonly maxWaiting: number;
  /** The refusal of a question that finds the queue full of callers with less. */
  readonly full: () => Error;
}

interface Waiting {
  readonly start: () => void;
  readonly refuse: () => void;
}

/** Waiting questions by caller; the caller whose turn is next comes first. */
type Lines = Map<string, Waiting[]>;

/** Callers that are remembered as proven: more certificates of TPPs than Europe has. */
const MAX_PROVEN = 10_000;

/**
 * The questions to the issuer. A few run at once; the others wait, and callers take turns, whatever the number of their
 * questions. A caller is a certificate or a DPoP key. Callers that have presented a live token of their own take precedence, since a
 * stranger can make any number of certificates and keys, and no such token.
 */
export class QuestionQueue {
  readonly #options: QuestionQueueOptions;
  readonly #proven = new Set<string>();
  readonly #lines: { readonly proven: Lines; readonly others: Lines } = {
    proven: new Map(),
    others: new Map(),
  };
  #running = 0;

  constructor(options: QuestionQueueOptions) {
    this.#options = options;
  }

  /** The answer, after the questions that come first. @throws what `full` makes, and what `question` throws */
  async ask<T>(caller: string, question: () => Promise<T>): Promise<T> {
    if (this.#running < this.#options.maxRunning) this.#running += 1;
    else await this.#turnOf(caller);
    try {
      return await question();
    } finally {
      this.#running -= 1;
      this.#startNext();
    }
  }

  /** Notes that the caller has presented a live token that is bound to its certificate. */
  noteProven(caller: string): void {
    if (this.#proven.delete(caller)) {
      this.#proven.add(caller);
      return;
    }
    const [oldest] = this.#proven;
    if (this.#proven.size >= MAX_PROVEN && oldest !== undefined) this.#proven.delete(oldest);
    this.#proven.add(caller);
  }

  #turnOf(caller: string): Promise<void> {
    const lines = this.#proven.has(caller) ? this.#lines.proven : this.#lines.others;
    return new Promise((resolve, reject) => {
      const line = lines.get(caller) ?? [];
      if (waitingIn(lines) >= this.#options.maxWaiting && !madeRoom(lines, line.length)) {
        reject(this.#options.full());
        return;
      }
      line.push({ start: resolve, refuse: () => reject(this.#options.full()) });
      lines.set(caller, line);
    });
  }

  #startNext(): void {
    const next = taken(this.#lines.proven) ?? taken(this.#lines.others);
    if (next === undefined) return;
    this.#running += 1;
    next.start();
  }
}

function waitingIn(lines: Lines): number {
  let count = 0;
  for (const line of lines.values()) count += line.length;
  return count;
}

/** Takes the first question of the caller whose turn is next. The caller's other questions wait for another turn. */
function taken(lines: Lines): Waiting | undefined {
  const [first] = lines;
  if (first === undefined) return undefined;
  const [caller, line] = first;
  const next = line.shift();
  lines.delete(caller);
  if (line.length > 0) lines.set(caller, line);
  return next;
}

/** Refuses the last question of the caller with the longest line, if that line is longer than one with one more. */
function madeRoom(lines: Lines, length: number): boolean {
  let longest: Waiting[] = [];
  for (const line of lines.values()) if (line.length > longest.length) longest = line;
  if (longest.length <= length + 1) return false;
  longest.pop()?.refuse();
  return true;
}
